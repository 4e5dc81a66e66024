// The code generator for the device filter of cgroup v2.
#include <cstddef>

#include <corten/plan/device_bpf.h>

namespace corten::plan {
namespace {

constexpr uint8_t kAllAccess = 7;

// What each register holds through the whole program.
constexpr uint8_t kType = BPF_REG_2;   // BPF_DEVCG_DEV_*
constexpr uint8_t kAsked = BPF_REG_3;  // accesses that no rule has decided yet
constexpr uint8_t kMajor = BPF_REG_4;
constexpr uint8_t kMinor = BPF_REG_5;
constexpr uint8_t kScratch = BPF_REG_6;
constexpr uint8_t kContext = BPF_REG_1;

bpf_insn instruction(uint8_t code, uint8_t target, uint8_t source, int16_t offset, int32_t value) {
  bpf_insn one{};
  one.code = code;
  one.dst_reg = target & 0xfU;
  one.src_reg = source & 0xfU;
  one.off = offset;
  one.imm = value;
  return one;
}

bpf_insn load_word(uint8_t target, std::size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, target, kContext, static_cast<int16_t>(offset), 0);
}

bpf_insn alu(uint8_t operation, uint8_t target, int32_t value) {
  return instruction(static_cast<uint8_t>(BPF_ALU | BPF_K | operation), target, 0, 0, value);
}

bpf_insn copy(uint8_t target, uint8_t source) {
  return instruction(BPF_ALU | BPF_MOV | BPF_X, target, source, 0, 0);
}

bpf_insn jump(uint8_t condition, uint8_t target, int32_t value, int16_t offset) {
  return instruction(static_cast<uint8_t>(BPF_JMP | BPF_K | condition), target, 0, offset, value);
}

void add_return(std::vector<bpf_insn>& program, bool allow) {
  program.push_back(alu(BPF_MOV, BPF_REG_0, allow ? 1 : 0));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

void add_prologue(std::vector<bpf_insn>& program) {
  // access_type: the type in the low half, the accesses in the high half.
  program.push_back(load_word(kType, offsetof(bpf_cgroup_dev_ctx, access_type)));
  program.push_back(copy(kAsked, kType));
  program.push_back(alu(BPF_AND, kType, 0xffff));
  program.push_back(alu(BPF_RSH, kAsked, 16));
  program.push_back(load_word(kMajor, offsetof(bpf_cgroup_dev_ctx, major)));
  program.push_back(load_word(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)));
}

bool decides_everything(const DeviceRule& rule) {
  return rule.type == 'a' && rule.major < 0 && rule.minor < 0 && rule.access == kAllAccess;
}

// What happens when the device matches: an allowing rule takes its accesses off the list and ends
// the program when the list is empty; a denying one ends it when an access on the list is its own.
std::vector<bpf_insn> verdict(const DeviceRule& rule) {
  std::vector<bpf_insn> code;
  if (rule.allow) {
    code.push_back(alu(BPF_AND, kAsked, static_cast<int32_t>(~rule.access & kAllAccess)));
    code.push_back(jump(BPF_JNE, kAsked, 0, 2));
  } else {
    code.push_back(copy(kScratch, kAsked));
    code.push_back(alu(BPF_AND, kScratch, rule.access));
    code.push_back(jump(BPF_JEQ, kScratch, 0, 2));
  }
  add_return(code, rule.allow);
  return code;
}

void add_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
  const auto code = verdict(rule);
  struct Check {
    uint8_t reg;
    int64_t value;
  };
  std::vector<Check> checks;
  if (rule.type != 'a') {
    checks.push_back({kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR});
  }
  if (rule.major >= 0) checks.push_back({kMajor, rule.major});
  if (rule.minor >= 0) checks.push_back({kMinor, rule.minor});
  for (std::size_t i = 0; i < checks.size(); ++i) {
    const auto skip = checks.size() - i - 1 + code.size();
    program.push_back(jump(
        BPF_JNE, checks[i].reg, static_cast<int32_t>(checks[i].value), static_cast<int16_t>(skip)));
  }
  program.insert(program.end(), code.begin(), code.end());
}

}  // namespace

std::vector<bpf_insn> build_device_program(const std::vector<DeviceRule>& rules) {
  std::vector<bpf_insn> program;
  add_prologue(program);
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    if (decides_everything(
            *rule)) {  // code behind it would be unreachable, which the verifier refuses
      add_return(program, rule->allow);
      return program;
    }
    add_rule(program, *rule);
  }
  add_return(program, false);
  return program;
}

bool allows_every_device(const std::vector<DeviceRule>& rules) {
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    if (!rule->allow) return false;
    if (decides_everything(*rule)) return true;
  }
  return false;
}

}  // namespace corten::plan
