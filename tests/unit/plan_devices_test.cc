// plan/devices.cc and plan/device_bpf.cc: nodes, the order of rules, and the program for cgroup v2
// run by a small interpreter.
#include <algorithm>
#include <array>

#include "plan_support.h"
#include "support.h"
#include <corten/plan/device_bpf.h>

namespace corten::plan {
namespace {

constexpr uint8_t kMknod = 1;
constexpr uint8_t kRead = 2;
constexpr uint8_t kWrite = 4;
constexpr uint8_t kAll = 7;

Result<std::vector<Device>> devices_of(const spec::Spec& spec) {
  auto plan = build(spec, testing::options(), testing::host_v2());
  if (!plan) return std::move(plan).error();
  return std::move(plan->devices);
}

std::vector<std::string> paths_of(const std::vector<Device>& devices) {
  std::vector<std::string> paths;
  for (const auto& device : devices) paths.push_back(device.path);
  return paths;
}

spec::Device character(std::string path, int64_t major, int64_t minor) {
  spec::Device device;
  device.type = "c";
  device.path = std::move(path);
  device.major = major;
  device.minor = minor;
  return device;
}

spec::DeviceRule rule(bool allow,
                      std::string type = "a",
                      std::optional<int64_t> major = std::nullopt,
                      std::optional<int64_t> minor = std::nullopt,
                      std::string access = "rwm") {
  return {.allow = allow,
          .type = std::move(type),
          .major = major,
          .minor = minor,
          .access = std::move(access)};
}

TEST(Devices, DefaultsAreAlwaysThere) {
  ASSERT_OK_AND_ASSIGN(const auto devices, devices_of(testing::small_spec()));
  EXPECT_EQ(paths_of(devices),
            (std::vector<std::string>{
                "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}));
  EXPECT_EQ(devices[0].major, 1U);
  EXPECT_EQ(devices[0].minor, 3U);
  EXPECT_EQ(devices[0].mode, 0666U);
  EXPECT_EQ(devices[0].pointer, "");
}

TEST(Devices, ConfiguredOneReplacesADefault) {
  auto spec = testing::small_spec();
  auto null = character("/dev//null", 1, 3);
  null.file_mode = 0600;
  null.uid = 5;
  null.gid = 6;
  spec.linux_->devices = {null, character("/opt/fuse", 10, 229)};
  ASSERT_OK_AND_ASSIGN(const auto devices, devices_of(spec));
  ASSERT_EQ(devices.size(), 7U);
  EXPECT_EQ(std::count_if(devices.begin(),
                          devices.end(),
                          [](const auto& device) { return device.path == "/dev/null"; }),
            1);
  const auto& configured = devices[5];
  EXPECT_EQ(configured.path, "/dev/null");
  EXPECT_EQ(configured.mode, 0600U);
  EXPECT_EQ(configured.uid, 5U);
  EXPECT_EQ(configured.gid, 6U);
  EXPECT_EQ(configured.pointer, "/linux/devices/0");
  EXPECT_EQ(devices[6].path, "/opt/fuse");
}

TEST(Devices, SamePathTwiceIsFineOnlyForTheSameDevice) {
  auto spec = testing::small_spec();
  spec.linux_->devices = {character("/dev/x", 10, 1), character("/dev/./x", 10, 1)};
  ASSERT_OK_AND_ASSIGN(const auto devices, devices_of(spec));
  EXPECT_EQ(devices.size(), 7U);
  spec.linux_->devices[1].minor = 2;
  EXPECT_ERROR(devices_of(spec), ErrorKind::InvalidSpec, "/linux/devices/1/path");
}

TEST(Devices, TypesAndNumbersAreChecked) {
  auto spec = testing::small_spec();
  spec.linux_->devices = {character("/dev/x", 10, 1)};
  auto& device = spec.linux_->devices[0];
  device.type = "p";
  device.major = device.minor = std::nullopt;
  ASSERT_OK_AND_ASSIGN(const auto fifo, devices_of(spec));
  EXPECT_EQ(fifo.back().type, DeviceType::Fifo);
  device.type = "b";
  EXPECT_ERROR(devices_of(spec), ErrorKind::InvalidSpec, "/linux/devices/0/major");
  device.major = 4096;
  EXPECT_ERROR(devices_of(spec), ErrorKind::InvalidSpec, "/linux/devices/0/major");
  device.major = 4095;
  EXPECT_ERROR(devices_of(spec), ErrorKind::InvalidSpec, "/linux/devices/0/minor");
  device.minor = 1048575;
  ASSERT_OK_AND_ASSIGN(const auto block, devices_of(spec));
  EXPECT_EQ(block.back().type, DeviceType::Block);
  device.type = "u";
  EXPECT_EQ(devices_of(spec)->back().type, DeviceType::Char);
  device.type = "x";
  EXPECT_ERROR(devices_of(spec), ErrorKind::InvalidSpec, "/linux/devices/0/type");
}

TEST(Devices, PtmxAndTheConsoleOfATerminalAreMadeOtherwise) {
  auto spec = testing::small_spec();
  spec.linux_->devices = {character("/dev/ptmx", 5, 2), character("/dev/console", 5, 1)};
  EXPECT_EQ(devices_of(spec)->back().path, "/dev/console");
  EXPECT_EQ(devices_of(spec)->size(), 7U);
  spec.process->terminal = true;
  EXPECT_EQ(devices_of(spec)->size(), 6U);
}

TEST(Devices, BoundFromTheHostWhereMknodIsImpossible) {
  auto spec = testing::small_spec();
  auto facts = testing::host_v2();
  EXPECT_FALSE(build(spec, testing::options(), facts)->rootless_devices);
  facts.privileged = false;
  EXPECT_TRUE(build(spec, testing::options(), facts)->rootless_devices);
  facts.privileged = true;
  testing::add_namespace(spec, "user", "/proc/1/ns/user");
  EXPECT_TRUE(build(spec, testing::options(), facts)->rootless_devices);
}

// What the default rules are, without configured devices.
const std::vector<DeviceRule> kDeny{{.allow = false, .type = 'a', .access = kAll}};
const std::vector<DeviceRule> kMknodAnything{
    {.allow = true, .type = 'c', .access = kMknod},
    {.allow = true, .type = 'b', .access = kMknod},
};
const std::vector<DeviceRule> kTerminals{
    {.allow = true, .type = 'c', .major = 5, .minor = 1, .access = kAll},
    {.allow = true, .type = 'c', .major = 5, .minor = 2, .access = kAll},
    {.allow = true, .type = 'c', .major = 136, .minor = -1, .access = kAll},
};

std::vector<DeviceRule> join(std::initializer_list<std::vector<DeviceRule>> parts) {
  std::vector<DeviceRule> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(DeviceRules, NothingConfiguredIsDenyAndTheDefaults) {
  EXPECT_EQ(build_device_rules({}, {}), join({kDeny, kMknodAnything, kTerminals}));
}

TEST(DeviceRules, LeadingWildcardsThenDefaultsThenTheRest) {
  const auto rules = build_device_rules({rule(false),
                                         rule(true, "c", 10, 229, "rw"),
                                         rule(false),
                                         rule(true, "b", 8, std::nullopt, "r")},
                                        {});
  EXPECT_EQ(
      rules,
      join({kDeny,
            kMknodAnything,
            kTerminals,
            {{.allow = true, .type = 'c', .major = 10, .minor = 229, .access = kRead | kWrite},
             {.allow = false, .type = 'a', .access = kAll},
             {.allow = true, .type = 'b', .major = 8, .minor = -1, .access = kRead}}}));
}

TEST(DeviceRules, AllowAllOfAPrivilegedContainerLeads) {
  const auto rules = build_device_rules({rule(true)}, {});
  EXPECT_EQ(
      rules,
      join({kDeny, {{.allow = true, .type = 'a', .access = kAll}}, kMknodAnything, kTerminals}));
  EXPECT_TRUE(allows_every_device(rules));
  EXPECT_FALSE(allows_every_device(build_device_rules({rule(true), rule(false, "c", 1, 3)}, {})));
  EXPECT_FALSE(allows_every_device(build_device_rules({}, {})));
}

TEST(DeviceRules, AllTypesWithNumbersOrAccessAreSplit) {
  const auto rules = build_device_rules({rule(true, "c", 1, 1), rule(true, "a", 10, -1, "")}, {});
  ASSERT_GE(rules.size(), 2U);
  const DeviceRule c{.allow = true, .type = 'c', .major = 10, .minor = -1, .access = kAll};
  const DeviceRule b{.allow = true, .type = 'b', .major = 10, .minor = -1, .access = kAll};
  EXPECT_EQ(rules[rules.size() - 2], c);
  EXPECT_EQ(rules[rules.size() - 1], b);
}

TEST(DeviceRules, ConfiguredDeviceIsAllowedUnlessARuleDecides) {
  Device device;
  device.path = "/dev/sda";
  device.type = DeviceType::Block;
  device.major = 8;
  device.minor = 0;
  device.pointer = "/linux/devices/0";
  const DeviceRule allowed{.allow = true, .type = 'b', .major = 8, .minor = 0, .access = kAll};
  const auto has = [&](const std::vector<DeviceRule>& rules) {
    return std::find(rules.begin(), rules.end(), allowed) != rules.end();
  };
  EXPECT_TRUE(has(build_device_rules({rule(false)}, {device})));
  EXPECT_FALSE(has(build_device_rules({rule(false), rule(true, "b", 8, 0, "r")}, {device})));
  EXPECT_FALSE(has(build_device_rules({rule(false), rule(true, "b", 8, -1, "r")}, {device})));
  EXPECT_TRUE(has(build_device_rules({rule(false), rule(true, "c", 8, 0, "r")}, {device})));
}

// Enough of eBPF for the device programs: the real loader is tested with the cgroup layer.
class Machine {
 public:
  explicit Machine(const std::vector<bpf_insn>& program) : program_(program) {}

  // Returns r0; -1 when the program leaves its own bounds.
  int64_t run(uint32_t type, uint32_t access, uint32_t major, uint32_t minor) {
    const std::array<uint32_t, 3> context{(access << 16U) | type, major, minor};
    std::array<uint64_t, 11> reg{};
    for (std::size_t pc = 0; pc < program_.size(); ++pc) {
      const auto& one = program_[pc];
      auto& target = reg[one.dst_reg];
      switch (one.code) {
        case BPF_LDX | BPF_MEM | BPF_W:
          target = context.at(static_cast<std::size_t>(one.off) / 4);
          break;
        case BPF_ALU | BPF_MOV | BPF_X:
          target = static_cast<uint32_t>(reg[one.src_reg]);
          break;
        case BPF_ALU | BPF_MOV | BPF_K:
          target = static_cast<uint32_t>(one.imm);
          break;
        case BPF_ALU | BPF_AND | BPF_K:
          target &= static_cast<uint32_t>(one.imm);
          break;
        case BPF_ALU | BPF_RSH | BPF_K:
          target >>= static_cast<uint32_t>(one.imm);
          break;
        case BPF_JMP | BPF_JNE | BPF_K:
          if (target != static_cast<uint64_t>(int64_t{one.imm}))
            pc += static_cast<std::size_t>(one.off);
          break;
        case BPF_JMP | BPF_JEQ | BPF_K:
          if (target == static_cast<uint64_t>(int64_t{one.imm}))
            pc += static_cast<std::size_t>(one.off);
          break;
        case BPF_JMP | BPF_EXIT:
          return static_cast<int64_t>(reg[BPF_REG_0]);
        default:
          ADD_FAILURE() << "unknown instruction " << int{one.code};
          return -1;
      }
    }
    return -1;
  }

 private:
  const std::vector<bpf_insn>& program_;
};

// The same question answered from the rules, one access at a time.
bool expected(const std::vector<DeviceRule>& rules,
              char type,
              uint32_t access,
              uint32_t major,
              uint32_t minor) {
  for (const uint8_t bit : {kMknod, kRead, kWrite}) {
    if ((access & bit) == 0) continue;
    bool allowed = false;
    for (const auto& one : rules) {
      if (one.type != 'a' && one.type != type) continue;
      if (one.major >= 0 && one.major != major) continue;
      if (one.minor >= 0 && one.minor != minor) continue;
      if ((one.access & bit) != 0) allowed = one.allow;
    }
    if (!allowed) return false;
  }
  return true;
}

void expect_same(const std::vector<DeviceRule>& rules) {
  const auto program = build_device_program(rules);
  Machine machine(program);
  for (const char type : {'c', 'b'}) {
    const uint32_t number = type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    for (uint32_t access = 1; access <= kAll; ++access) {
      for (const uint32_t major : {0U, 1U, 5U, 8U, 10U, 136U, 4095U}) {
        for (const uint32_t minor : {0U, 1U, 2U, 3U, 229U, 1048575U}) {
          ASSERT_EQ(machine.run(number, access, major, minor),
                    expected(rules, type, access, major, minor) ? 1 : 0)
              << type << " " << major << ":" << minor << " access " << access;
        }
      }
    }
  }
}

TEST(DeviceProgram, NoRulesAllowNothing) {
  const auto program = build_device_program({});
  EXPECT_EQ(Machine(program).run(BPF_DEVCG_DEV_CHAR, kRead, 1, 3), 0);
}

TEST(DeviceProgram, AgreesWithTheRules) {
  expect_same(build_device_rules({}, {}));
  expect_same(build_device_rules({rule(true)}, {}));
  expect_same(build_device_rules({rule(true), rule(false, "c", 1, 3, "w")}, {}));
  expect_same(build_device_rules(
      {rule(false), rule(true, "b", 8, -1, "r"), rule(true, "b", 8, 0, "w")}, {}));
  expect_same(build_device_rules(
      {rule(false), rule(true, "c", -1, 3, "rw"), rule(false, "c", 5, -1, "m")}, {}));
  expect_same(build_device_rules({rule(true, "c", 4095, 1048575, "rwm"), rule(false)}, {}));
  expect_same({{.allow = true, .type = 'a', .major = 8, .minor = -1, .access = kRead},
               {.allow = true, .type = 'a', .major = -1, .minor = 3, .access = kWrite}});
}

TEST(DeviceProgram, AccessesMayBeAllowedByDifferentRules) {
  const auto program = build_device_program(
      {{.allow = true, .type = 'c', .major = 1, .minor = 3, .access = kRead},
       {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = kWrite}});
  Machine machine(program);
  EXPECT_EQ(machine.run(BPF_DEVCG_DEV_CHAR, kRead | kWrite, 1, 3), 1);
  EXPECT_EQ(machine.run(BPF_DEVCG_DEV_CHAR, kRead | kMknod, 1, 3), 0);
}

TEST(DeviceProgram, EndsAtARuleThatDecidesEverything) {
  // The verifier refuses unreachable instructions.
  const auto program = build_device_program(
      {{.allow = true, .type = 'c', .major = 1, .minor = 3, .access = kAll},
       {.allow = false, .type = 'a', .major = -1, .minor = -1, .access = kAll}});
  EXPECT_EQ(program.size(), 8U);
}

}  // namespace
}  // namespace corten::plan
