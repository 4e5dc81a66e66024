// process.capabilities -> bit sets, restricted to what this host can grant.
// Spec: config.md "Linux Process": a capability that cannot be granted is a warning, not an error.
#include "builders.h"
#include "capability_names.h"
#include <corten/base/strings.h>

namespace corten::plan {
namespace {

// Collects the names of one problem, each once: one line of log for each problem, not for each set.
struct Dropped {
  std::string names;
  void add(std::string_view name) {
    const auto text = printable(name);
    for (const auto known : split(names, ' ')) {
      if (known == text) return;
    }
    if (!names.empty()) names += ' ';
    names += text;
  }
};

constexpr uint64_t bit(int capability) { return uint64_t{1} << static_cast<unsigned>(capability); }

uint64_t read_set(const std::vector<std::string>& names, int last_capability, Dropped& unknown) {
  uint64_t set = 0;
  for (const auto& name : names) {
    const auto capability = kCapabilities.find(name);
    if (!capability || *capability > last_capability) {
      unknown.add(name);
      continue;
    }
    set |= bit(*capability);
  }
  return set;
}

uint64_t restrict_to(uint64_t wanted, uint64_t grantable, Dropped& refused) {
  for (const auto& known : kCapabilities) {
    if ((wanted & ~grantable & bit(known.value)) != 0) refused.add(known.name);
  }
  return wanted & grantable;
}

}  // namespace

bool is_capability(std::string_view name) { return kCapabilities.find(name).has_value(); }

Capabilities build_capabilities(const spec::Capabilities* wanted,
                                const HostFacts& facts,
                                EntersUserNamespace enters,
                                std::vector<std::string>& warnings) {
  if (wanted == nullptr) return {};
  // Entering a user namespace gives full sets, whatever the caller had (user_namespaces(7)).
  const uint64_t all = ~uint64_t{0};
  const bool full = enters == EntersUserNamespace::Yes;
  const uint64_t bounding = full ? all : facts.bounding_capabilities;
  const uint64_t permitted = full ? all : facts.permitted_capabilities;

  Dropped unknown;
  Dropped refused;
  const auto read = [&](const std::vector<std::string>& names, uint64_t grantable) {
    return restrict_to(read_set(names, facts.last_capability, unknown), grantable, refused);
  };
  Capabilities sets;
  sets.bounding = read(wanted->bounding, bounding);
  sets.permitted = read(wanted->permitted, permitted);
  // What capset(2) and prctl(PR_CAP_AMBIENT_RAISE) demand, the bounding set being dropped before.
  sets.inheritable = read(wanted->inheritable, permitted & sets.bounding);
  sets.effective = read(wanted->effective, sets.permitted);
  sets.ambient = read(wanted->ambient, sets.permitted & sets.inheritable);
  if (!unknown.names.empty()) {
    warnings.push_back("capabilities that this kernel or build does not know are dropped: " +
                       unknown.names);
  }
  if (!refused.names.empty()) {
    warnings.push_back("capabilities that cannot be granted are dropped: " + refused.names);
  }
  return sets;
}

}  // namespace corten::plan
