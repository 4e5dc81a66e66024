// The capability table against libcap's names and numbers.
#include <cctype>
#include <string>

#include <gtest/gtest.h>
#include <sys/capability.h>

#include "../../src/plan/capability_names.h"

namespace corten::plan {
namespace {

TEST(CapabilityNames, AgreeWithLibcap) {
  for (const auto& [name, number] : kCapabilities) {
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    cap_value_t expected = -1;
    ASSERT_EQ(cap_from_name(lower.c_str(), &expected), 0) << name;
    EXPECT_EQ(expected, static_cast<cap_value_t>(number)) << name;
  }
}

TEST(CapabilityNames, MissNoneThatLibcapKnows) {
  constexpr int kKnown = CAP_LAST_CAP;
  EXPECT_EQ(kCapabilities.size(), static_cast<std::size_t>(kKnown) + 1);
}

}  // namespace
}  // namespace corten::plan
