// config.md: rlimits and capabilities of the process.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>

#include "case.h"

namespace spec {
namespace {

struct RlimitRow {
  const char* name;
  int resource;
};
constexpr RlimitRow kRlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_STACK", RLIMIT_STACK},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

// Values below what the host allows, large enough for the checker to run.
void run_rlimit_row(Case& c, const RlimitRow& row) {
  rlimit host{};
  ::getrlimit(static_cast<__rlimit_resource>(row.resource), &host);
  constexpr rlim_t kCeiling = rlim_t{8} << 30U;
  const rlim_t hard =
      host.rlim_max > kCeiling ? kCeiling : host.rlim_max - (host.rlim_max > 1 ? 1 : 0);
  const rlim_t soft = hard - hard / 4;
  c.bundle.process()["rlimits"] =
      Json::array({{{"type", row.name}, {"soft", soft}, {"hard", hard}}});
  const Json limits = c.report()["rlimits"];
  ASSERT_TRUE(limits.contains(row.name)) << "getrlimit failed";
  EXPECT_EQ(limits[row.name]["soft"], soft);
  EXPECT_EQ(limits[row.name]["hard"], hard);
}

bool register_rows() {
  for (const RlimitRow& row : kRlimits) {
    register_case({"Rlimits",
                   row.name,
                   "CF-086 CF-087 CF-088",
                   std::string("soft and hard limit of ") + row.name + " are what the config says",
                   [&row](Case& c) { run_rlimit_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

Json limit(const char* type, uint64_t soft, uint64_t hard) {
  return {{"type", type}, {"soft", soft}, {"hard", hard}};
}

SPEC_CASE(Rlimits, SeveralAtOnce, "CF-087 CF-088", "several limits are all applied") {
  c.bundle.process()["rlimits"] = {limit("RLIMIT_NOFILE", 100, 200), limit("RLIMIT_CORE", 0, 0)};
  const Json limits = c.report()["rlimits"];
  EXPECT_EQ(limits["RLIMIT_NOFILE"], Json({{"soft", 100}, {"hard", 200}}));
  EXPECT_EQ(limits["RLIMIT_CORE"], Json({{"soft", 0}, {"hard", 0}}));
}

SPEC_CASE(Rlimits,
          UnknownTypeIsRefused,
          "CF-085 CF-130",
          "a limit that the kernel does not have is refused") {
  c.bundle.process()["rlimits"] = {limit("RLIMIT_BANANA", 1, 1)};
  c.expect_refused("RLIMIT_BANANA", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Rlimits, DuplicateTypeIsRefused, "CF-089", "the same limit twice is refused") {
  c.bundle.process()["rlimits"] = {limit("RLIMIT_NOFILE", 100, 200),
                                   limit("RLIMIT_NOFILE", 100, 200)};
  c.expect_refused("RLIMIT_NOFILE twice", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Rlimits,
          SoftAboveHardIsRefused,
          "CF-087 CF-130",
          "a soft limit above the hard limit is refused") {
  c.bundle.process()["rlimits"] = {limit("RLIMIT_NOFILE", 200, 100)};
  c.expect_refused("soft > hard", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Rlimits, NegativeValueIsRefused, "CF-130", "a negative limit is refused") {
  c.bundle.process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", -1}, {"hard", -1}}};
  c.expect_refused("soft -1", Case::Refusal::AtCreateOrStart);
}

// Leaves the bounding, permitted and effective set without one capability.
void drop_capability(unsigned long capability) {
  ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  ::syscall(SYS_capget, &header, data);
  const uint32_t mask = ~(1U << (capability % 32));
  data[capability / 32].effective &= mask;
  data[capability / 32].permitted &= mask;
  data[capability / 32].inheritable &= mask;
  ::syscall(SYS_capset, &header, data);
}

SPEC_CASE(Rlimits,
          HardLimitThatCannotBeRaisedIsAnError,
          "CF-088 RT-036",
          "a hard limit above the caller's is an error without CAP_SYS_RESOURCE") {
  c.container.before_create = [] {
    const rlimit lowered{500, 500};
    ::setrlimit(RLIMIT_NOFILE, &lowered);
    drop_capability(CAP_SYS_RESOURCE);
  };
  c.bundle.process()["rlimits"] = {limit("RLIMIT_NOFILE", 600, 600)};
  c.expect_refused("the hard limit cannot be raised", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Rlimits,
          UnsetLimitsAreInherited,
          "CF-087",
          "limits that are not configured are the caller's") {
  c.container.before_create = [] {
    const rlimit lowered{321, 4321};
    ::setrlimit(RLIMIT_MSGQUEUE, &lowered);
  };
  EXPECT_EQ(c.report()["rlimits"]["RLIMIT_MSGQUEUE"], Json({{"soft", 321}, {"hard", 4321}}));
}

// ---- capabilities
// --------------------------------------------------------------------------------------------------

constexpr uint64_t bit(unsigned capability) { return uint64_t{1} << capability; }

void set_all(Case& c, const Json& names) {
  for (const char* set : {"bounding", "effective", "permitted", "inheritable", "ambient"}) {
    c.bundle.process()["capabilities"][set] = names;
  }
}

SPEC_CASE(Capabilities,
          FiveSetsOfRoot,
          "RT-018 RT-005",
          "each of the five sets holds exactly what is listed") {
  c.bundle.process()["capabilities"] = {
      {"bounding", {"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETUID"}},
      {"permitted", {"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"}},
      {"effective", {"CAP_CHOWN", "CAP_KILL"}},
      {"inheritable", {"CAP_CHOWN"}},
      {"ambient", Json::array()}};
  const Json sets = c.report()["capabilities"];
  const uint64_t bounding = bit(CAP_CHOWN) | bit(CAP_KILL) | bit(CAP_NET_RAW) | bit(CAP_SETUID);
  EXPECT_EQ(sets["bounding"], bounding);
  EXPECT_EQ(sets["inheritable"], bit(CAP_CHOWN));
  EXPECT_EQ(sets["ambient"], 0);
  // execve gives root the bounding set in permitted and effective (capabilities(7)), so that these
  // two can only be judged for other users; what is not in bounding must be gone in any case.
  EXPECT_EQ(sets["permitted"].get<uint64_t>() & ~bounding, 0U);
  EXPECT_EQ(sets["effective"].get<uint64_t>() & ~bounding, 0U);
}

SPEC_CASE(Capabilities,
          AmbientForOtherUsers,
          "RT-018 RT-005",
          "ambient capabilities are effective for a user other than root, and only they") {
  c.bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
  c.bundle.process()["capabilities"] = {{"bounding", {"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}},
                                        {"permitted", {"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}},
                                        {"effective", {"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}},
                                        {"inheritable", {"CAP_NET_BIND_SERVICE"}},
                                        {"ambient", {"CAP_NET_BIND_SERVICE"}}};
  const Json sets = c.report()["capabilities"];
  EXPECT_EQ(sets["ambient"], bit(CAP_NET_BIND_SERVICE));
  EXPECT_EQ(sets["effective"], bit(CAP_NET_BIND_SERVICE));
  EXPECT_EQ(sets["permitted"], bit(CAP_NET_BIND_SERVICE));
  EXPECT_EQ(sets["inheritable"], bit(CAP_NET_BIND_SERVICE));
  EXPECT_EQ(sets["bounding"], bit(CAP_CHOWN) | bit(CAP_NET_BIND_SERVICE));
}

SPEC_CASE(Capabilities, EmptySets, "RT-018 RT-005", "empty sets leave no capability at all") {
  set_all(c, Json::array());
  const Json sets = c.report()["capabilities"];
  for (const auto& [name, value] : sets.items()) EXPECT_EQ(value, 0) << name;
}

SPEC_CASE(Capabilities,
          NoneForOtherUsers,
          "RT-018 RT-005",
          "a user other than root without ambient set has none") {
  c.bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
  const Json sets = c.report()["capabilities"];
  EXPECT_EQ(sets["effective"], 0);
  EXPECT_EQ(sets["permitted"], 0);
  EXPECT_NE(sets["bounding"], 0);
}

SPEC_CASE(Capabilities,
          UnknownNameIsAWarning,
          "CF-090 CF-091 RT-025",
          "a capability that the kernel does not have is warned about; the others are granted") {
  set_all(c, {"CAP_CHOWN", "CAP_BANANA"});
  EXPECT_EQ(c.report()["capabilities"]["bounding"], bit(CAP_CHOWN));
}

SPEC_CASE(Capabilities,
          UngrantableIsAWarning,
          "CF-090 CF-091 RT-025",
          "a capability that the runtime itself lacks is warned about; the others are granted") {
  set_all(c, {"CAP_CHOWN", "CAP_SYS_RAWIO"});
  c.container.before_create = [] { drop_capability(CAP_SYS_RAWIO); };
  const Json sets = c.report()["capabilities"];
  EXPECT_EQ(sets["bounding"].get<uint64_t>() & bit(CAP_CHOWN), bit(CAP_CHOWN));
  EXPECT_EQ(sets["effective"], bit(CAP_CHOWN));
}

SPEC_CASE(
    Capabilities,
    AmbientOutsideOfPermittedIsAWarning,
    "CF-090 CF-091 RT-025",
    "an ambient capability that is not in permitted and inheritable cannot be granted: a warning") {
  c.bundle.process()["capabilities"] = {{"bounding", {"CAP_CHOWN", "CAP_KILL"}},
                                        {"permitted", {"CAP_CHOWN"}},
                                        {"effective", {"CAP_CHOWN"}},
                                        {"ambient", {"CAP_KILL"}}};
  const Json sets = c.report()["capabilities"];
  EXPECT_EQ(sets["ambient"], 0);
}

}  // namespace
}  // namespace spec
