// libseccomp keeps the rules of a call in a tree that it walks in a fixed order. Profiles whose
// rules overlap depend on that order, so it is the contract here as well; a list in this order
// gives the same answers. Where libseccomp loses a rule (it merges nodes of ">" with different
// tails), the rule counts here.
#include "seccomp_rules.h"

#include <algorithm>
#include <utility>

namespace corten::plan {
namespace {

using Op = spec::SeccompOperator;

// What a machine word of a condition is compared with; which half first is the codegen's business.
struct Word {
  Op op;        // the comparison, reduced to Eq, MaskedEq, Gt, Ge
  int rank;     // higher comes first
  bool rising;  // smaller values come first
  uint32_t mask;
  uint32_t datum;
};

int rank_of(Op op) {
  switch (op) {
    case Op::Ge:
    case Op::Gt:
      return 1;
    case Op::Le:
    case Op::Lt:
      return 2;
    default:
      return 3;
  }
}

// "Not" is a matter of which branch is taken, so it does not count: < is >= and so on.
Op reduced(Op op) {
  switch (op) {
    case Op::Ne:
      return Op::Eq;
    case Op::Lt:
      return Op::Ge;
    case Op::Le:
      return Op::Gt;
    default:
      return op;
  }
}

Word low_word(const SeccompCondition& condition) {
  const auto mask = static_cast<uint32_t>(condition.mask);
  const int rank = rank_of(condition.op);
  return {reduced(condition.op), rank, rank == 2, mask, static_cast<uint32_t>(condition.datum)};
}

Word high_word(const SeccompCondition& condition) {
  const auto mask = static_cast<uint32_t>(condition.mask >> 32U);
  const int rank = rank_of(condition.op);
  const Op op = rank == 3 ? reduced(condition.op) : Op::Gt;
  return {op, rank, rank == 2, mask, static_cast<uint32_t>(condition.datum >> 32U)};
}

enum class Order : uint8_t { Before, After, Same };

Order compare(const Word& word, const Word& existing) {
  if (word.rank != existing.rank) return word.rank > existing.rank ? Order::Before : Order::After;
  if (word.datum != existing.datum) {
    const bool smaller = word.datum < existing.datum;
    return smaller == existing.rising ? Order::Before : Order::After;
  }
  // A tie of different comparisons: the one that was there stays in front.
  return word.op == existing.op && word.mask == existing.mask ? Order::Same : Order::After;
}

Order compare(const SeccompCondition& one, const SeccompCondition& existing, ArgumentWidth width) {
  if (one.index != existing.index) {
    return one.index > existing.index ? Order::Before : Order::After;
  }
  if (width == ArgumentWidth::Bits64) {
    const Order high = compare(high_word(one), high_word(existing));
    if (high != Order::Same) return high;
  }
  const Order low = compare(low_word(one), low_word(existing));
  if (low != Order::Same) return low;
  return one.op == existing.op ? Order::Same : Order::After;  // opposites exclude each other
}

enum class Relation : uint8_t { Before, After, Identical, Extends, IsExtended };

Relation relate(const SeccompRule& rule, const SeccompRule& existing, ArgumentWidth width) {
  const std::size_t common = std::min(rule.conditions.size(), existing.conditions.size());
  for (std::size_t i = 0; i < common; ++i) {
    const Order order = compare(rule.conditions[i], existing.conditions[i], width);
    if (order == Order::Before) return Relation::Before;
    if (order == Order::After) return Relation::After;
  }
  if (rule.conditions.size() == existing.conditions.size()) return Relation::Identical;
  return rule.conditions.size() > common ? Relation::Extends : Relation::IsExtended;
}

// A mask of zero holds for every value.
bool always_holds(const SeccompCondition& condition, ArgumentWidth width) {
  const uint64_t mask =
      width == ArgumentWidth::Bits32 ? condition.mask & UINT32_MAX : condition.mask;
  return condition.op == Op::MaskedEq && mask == 0;
}

}  // namespace

SeccompCallRules::Added SeccompCallRules::add(SeccompRule rule) {
  if (unconditional_) return Added::Yes;
  std::erase_if(rule.conditions, [&](const auto& one) { return always_holds(one, width_); });
  if (rule.conditions.empty()) {
    unconditional_ = rule.action;
    rules_.clear();
    return Added::Yes;
  }
  auto position = rules_.end();
  for (auto existing = rules_.begin(); existing != rules_.end(); ++existing) {
    const Relation relation = relate(rule, *existing, width_);
    if (relation == Relation::Extends) return Added::Yes;
    if (relation == Relation::After) continue;
    if (relation != Relation::Before && existing->action != rule.action) {
      return Added::Contradiction;
    }
    if (relation == Relation::Identical) return Added::Yes;
    if (position == rules_.end()) position = existing;
  }
  rules_.insert(position, std::move(rule));
  return Added::Yes;
}

}  // namespace corten::plan
