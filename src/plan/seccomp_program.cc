// The program: load the architecture, branch to its section; load the call's number, find its range
// by binary search; most ranges end in a return, the others compare arguments. A filter runs on
// every system call of the container that the kernel cannot answer from its own cache of numbers
// that are always allowed, so the depth of the search counts more than the program's length.
//
// Jumps only go forward, so the code is written from its end: each target exists when it is jumped
// to. A conditional jump reaches 255 instructions; a target beyond gets a return or a jump nearby.
#include "seccomp_program.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <optional>

#include "builders.h"

namespace corten::plan {
namespace {

using Op = spec::SeccompOperator;

constexpr std::size_t kReach = 255;
constexpr bool kLittleEndian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

constexpr std::size_t word_offset(uint32_t index, bool high) {
  return offsetof(seccomp_data, args) + index * sizeof(uint64_t) +
         (high == kLittleEndian ? sizeof(uint32_t) : 0);
}

constexpr bool is_return(const sock_filter& instruction) {
  return instruction.code == (BPF_RET | BPF_K);
}

// Where a branch goes: to a return with an action, or to an instruction that is already written.
struct Target {
  bool is_action = true;
  std::size_t value = 0;  // the action, or the instruction counted from the program's end

  friend bool operator==(const Target&, const Target&) = default;
};

Target action_target(uint32_t action) { return {true, action}; }

// Writes backwards.
class Writer {
 public:
  // "if (A op k) goto yes; else goto no", A = *(u32 *)(seccomp_data + offset) & mask.
  Target compare(std::size_t offset, uint32_t mask, int op, uint32_t k, Target yes, Target no) {
    if (yes == no) return yes;
    branch(op, k, yes, no);
    if (mask != UINT32_MAX) push(BPF_ALU | BPF_AND | BPF_K, mask);
    return load(offset);
  }

  // The same on what is in A. Always one instruction, so that a load can stand in front of it.
  Target branch(int op, uint32_t k, Target yes, Target no) {
    // Each may add one instruction before the other jumps over it.
    const std::size_t to_yes = reachable(yes, 1);
    const std::size_t to_no = reachable(no, 0);
    code_.push_back(
        {static_cast<uint16_t>(BPF_JMP | op | BPF_K), distance(to_yes), distance(to_no), k});
    return last();
  }

  // Must be followed (so: was preceded) by the code that uses A.
  Target load(std::size_t offset) {
    push(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
    return last();
  }

  std::vector<sock_filter> finish() && {
    std::reverse(code_.begin(), code_.end());
    return std::move(code_);
  }

 private:
  struct Stub {
    Target target;
    std::size_t position = 0;  // the nearest instruction that gets there
  };

  void push(int code, uint32_t k) { code_.push_back({static_cast<uint16_t>(code), 0, 0, k}); }
  Target last() const { return {false, code_.size() - 1}; }

  // From the next instruction to be written.
  uint8_t distance(std::size_t position) const {
    assert(in_reach(position, 0));
    return static_cast<uint8_t>(code_.size() - position - 1);
  }
  bool in_reach(std::size_t position, std::size_t reserve) const {
    return code_.size() - position - 1 + reserve <= kReach;
  }

  std::size_t reachable(Target target, std::size_t reserve) {
    if (!target.is_action && in_reach(target.value, reserve)) return target.value;
    Stub& stub = stub_of(target);
    if (stub.position == kNone || !in_reach(stub.position, reserve)) {
      if (target.is_action) {
        push(BPF_RET | BPF_K, static_cast<uint32_t>(target.value));
      } else {
        push(BPF_JMP | BPF_JA, static_cast<uint32_t>(code_.size() - target.value - 1));
      }
      stub.position = code_.size() - 1;
    }
    return stub.position;
  }

  Stub& stub_of(Target target) {
    for (auto& stub : stubs_) {
      if (stub.target == target) return stub;
    }
    stubs_.push_back({target, kNone});
    return stubs_.back();
  }

  static constexpr std::size_t kNone = SIZE_MAX;
  std::vector<sock_filter> code_;  // last instruction first
  std::vector<Stub> stubs_;
};

// --- arguments ---------------------------------------------------------------------------------

struct Outcome {
  Target holds;
  Target fails;
};

Target low_half(Writer& writer, const SeccompCondition& condition, int op, Outcome outcome) {
  const auto mask = static_cast<uint32_t>(condition.mask);
  if (mask == 0) return outcome.holds;
  return writer.compare(word_offset(condition.index, false),
                        mask,
                        op,
                        static_cast<uint32_t>(condition.datum),
                        outcome.holds,
                        outcome.fails);
}

Target equality(Writer& writer,
                const SeccompCondition& condition,
                ArgumentWidth width,
                Outcome outcome) {
  const Target low = low_half(writer, condition, BPF_JEQ, outcome);
  const auto mask = static_cast<uint32_t>(condition.mask >> 32U);
  if (width == ArgumentWidth::Bits32 || mask == 0) return low;
  return writer.compare(word_offset(condition.index, true),
                        mask,
                        BPF_JEQ,
                        static_cast<uint32_t>(condition.datum >> 32U),
                        low,
                        outcome.fails);
}

// >= and >: a larger high half holds, an equal one leaves it to the low half.
Target greater(Writer& writer,
               const SeccompCondition& condition,
               int op,
               ArgumentWidth width,
               Outcome outcome) {
  const Target low = low_half(writer, condition, op, outcome);
  if (width == ArgumentWidth::Bits32) return low;
  const auto high = static_cast<uint32_t>(condition.datum >> 32U);
  const Target equal = writer.branch(BPF_JEQ, high, low, outcome.fails);
  return writer.compare(
      word_offset(condition.index, true), UINT32_MAX, BPF_JGT, high, outcome.holds, equal);
}

Target condition_code(Writer& writer,
                      const SeccompCondition& condition,
                      ArgumentWidth width,
                      Outcome outcome) {
  const Outcome negated = {outcome.fails, outcome.holds};
  switch (condition.op) {
    case Op::Eq:
    case Op::MaskedEq:
      return equality(writer, condition, width, outcome);
    case Op::Ne:
      return equality(writer, condition, width, negated);
    case Op::Ge:
      return greater(writer, condition, BPF_JGE, width, outcome);
    case Op::Gt:
      return greater(writer, condition, BPF_JGT, width, outcome);
    case Op::Lt:
      return greater(writer, condition, BPF_JGE, width, negated);
    case Op::Le:
      return greater(writer, condition, BPF_JGT, width, negated);
  }
  return outcome.fails;
}

Target chain_code(Writer& writer, const SeccompChain& chain) {
  Target next = action_target(chain.otherwise);
  for (auto rule = chain.rules.rbegin(); rule != chain.rules.rend(); ++rule) {
    Target holds = action_target(rule->action);
    for (auto condition = rule->conditions.rbegin(); condition != rule->conditions.rend();
         ++condition) {
      holds = condition_code(writer, *condition, chain.width, {holds, next});
    }
    next = holds;
  }
  return next;
}

// --- numbers -----------------------------------------------------------------------------------

class SectionWriter {
 public:
  SectionWriter(Writer& writer, const std::vector<SeccompChain>& chains)
      : writer_(writer), chains_(chains), chain_targets_(chains.size()) {}

  Target write(const SeccompSection& section) {
    const Target search = search_code(section.ranges, 0, section.ranges.size());
    if (section.ranges.size() == 1) return search;
    return writer_.load(offsetof(seccomp_data, nr));
  }

 private:
  Target leaf(const SeccompLeaf& leaf) {
    if (!leaf.is_chain) return action_target(leaf.value);
    auto& target = chain_targets_[leaf.value];
    if (!target) target = chain_code(writer_, chains_[leaf.value]);
    return *target;
  }

  Target search_code(const std::vector<SeccompRange>& ranges, std::size_t begin, std::size_t end) {
    const std::size_t count = end - begin;
    if (count == 1) return leaf(ranges[begin].leaf);
    if (count == 3 && is_exception(ranges, begin + 1)) {
      const Target exception = leaf(ranges[begin + 1].leaf);
      const Target around = leaf(ranges[begin].leaf);
      return writer_.branch(BPF_JEQ, ranges[begin + 1].first, exception, around);
    }
    const std::size_t middle = begin + count / 2;
    const Target right = search_code(ranges, middle, end);
    const Target left = search_code(ranges, begin, middle);
    return writer_.branch(BPF_JGE, ranges[middle].first, right, left);
  }

  // One number whose neighbours on both sides are alike.
  static bool is_exception(const std::vector<SeccompRange>& ranges, std::size_t i) {
    return ranges[i + 1].first - ranges[i].first == 1 && ranges[i - 1].leaf == ranges[i + 1].leaf;
  }

  Writer& writer_;
  const std::vector<SeccompChain>& chains_;
  std::vector<std::optional<Target>> chain_targets_;
};

}  // namespace

Result<std::vector<sock_filter>> assemble_filter(const std::vector<SeccompSection>& sections,
                                                 const std::vector<SeccompChain>& chains,
                                                 uint32_t bad_arch_action) {
  Writer writer;
  SectionWriter section_writer(writer, chains);
  std::vector<Target> starts;
  for (auto section = sections.rbegin(); section != sections.rend(); ++section) {
    starts.push_back(section_writer.write(*section));
  }
  Target next = action_target(bad_arch_action);
  for (std::size_t i = sections.size(); i-- > 0;) {
    next = writer.branch(BPF_JEQ, sections[i].audit_arch, starts[sections.size() - 1 - i], next);
  }
  writer.load(offsetof(seccomp_data, arch));
  std::vector<sock_filter> code = std::move(writer).finish();
  if (code.size() <= BPF_MAXINSNS) return code;
  return unsupported("/linux/seccomp",
                     "the filter needs " + std::to_string(code.size()) +
                         " instructions, the kernel takes " + std::to_string(BPF_MAXINSNS));
}

}  // namespace corten::plan
