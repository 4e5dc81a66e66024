// The rules of one system call and which of them wins.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <corten/spec/names.h>

namespace corten::plan {

enum class ArgumentWidth : uint8_t { Bits32, Bits64 };

// One comparison of a system call's argument. MaskedEq: (argument & mask) == datum, which has no
// bits outside the mask; for the other operators the mask is all ones.
struct SeccompCondition {
  uint32_t index = 0;  // [0, 5]
  spec::SeccompOperator op = spec::SeccompOperator::Eq;
  uint64_t mask = UINT64_MAX;
  uint64_t datum = 0;

  friend bool operator==(const SeccompCondition&, const SeccompCondition&) = default;
};

// All conditions hold -> action. Conditions are in the order of their arguments, one an argument.
struct SeccompRule {
  uint32_t action = 0;  // SECCOMP_RET_* with its data
  std::vector<SeccompCondition> conditions;

  friend bool operator==(const SeccompRule&, const SeccompRule&) = default;
};

// What decides one system call: the first of `rules` that holds, else `otherwise`.
struct SeccompChain {
  ArgumentWidth width = ArgumentWidth::Bits64;
  std::vector<SeccompRule> rules;
  uint32_t otherwise = 0;

  friend bool operator==(const SeccompChain&, const SeccompChain&) = default;
};

// Collects the rules of one call in libseccomp's precedence, which is not the order of the profile:
//   - the first rule without conditions decides alone;
//   - rules whose first condition is on a higher argument come first;
//   - on the same argument =, != and masked comparisons come before <= and <, and those before >=
//   and >;
//   - then larger values first, for <= and < smaller ones;
//   - a rule that only adds conditions to another one never wins over it.
class SeccompCallRules {
 public:
  explicit SeccompCallRules(ArgumentWidth width) : width_(width) {}

  enum class Added : uint8_t { Yes, Contradiction };
  // Contradiction: the same conditions with another action, or fewer of them: nothing is added.
  Added add(SeccompRule rule);

  // Set when a rule without conditions decides.
  const std::optional<uint32_t>& unconditional() const { return unconditional_; }
  SeccompChain chain(uint32_t otherwise) && { return {width_, std::move(rules_), otherwise}; }

 private:
  ArgumentWidth width_;
  std::vector<SeccompRule> rules_;
  std::optional<uint32_t> unconditional_;
};

}  // namespace corten::plan
