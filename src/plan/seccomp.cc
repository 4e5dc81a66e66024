// linux.seccomp -> the calls of each architecture as ranges of numbers and chains of rules; the
// program is written by seccomp_program.cc. Spec: config-linux.md "Seccomp".
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "builders.h"
#include "seccomp_arch.h"
#include "seccomp_program.h"
#include "seccomp_rules.h"
#include <corten/base/strings.h>
#include <corten/plan/seccomp.h>
#include <corten/spec/names.h>

namespace corten::plan {
namespace {

// libseccomp's default for programs of an architecture that the profile does not list.
constexpr uint32_t kBadArchAction = SECCOMP_RET_KILL_THREAD;
constexpr uint32_t kEnosysAction = SECCOMP_RET_ERRNO | uint32_t{ENOSYS};
// A tracer sets the number to -1 to skip a call; the filter sees that number afterwards.
constexpr uint32_t kSkippedCall = UINT32_MAX;

// --- the profile, read once ----------------------------------------------------------------------

uint32_t action_value(spec::SeccompAction action, std::optional<uint32_t> errno_ret) {
  const uint32_t data = errno_ret.value_or(EPERM) & uint32_t{SECCOMP_RET_DATA};
  switch (action) {
    case spec::SeccompAction::KillThread:
      return SECCOMP_RET_KILL_THREAD;
    case spec::SeccompAction::KillProcess:
      return SECCOMP_RET_KILL_PROCESS;
    case spec::SeccompAction::Trap:
      return SECCOMP_RET_TRAP;
    case spec::SeccompAction::Errno:
      return SECCOMP_RET_ERRNO | data;
    case spec::SeccompAction::Trace:
      return SECCOMP_RET_TRACE | data;
    case spec::SeccompAction::Allow:
      return SECCOMP_RET_ALLOW;
    case spec::SeccompAction::Log:
      return SECCOMP_RET_LOG;
    case spec::SeccompAction::Notify:
      return SECCOMP_RET_USER_NOTIF;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

Result<uint32_t> read_action(const std::string& name,
                             std::optional<uint32_t> errno_ret,
                             const std::string& pointer) {
  const auto action = spec::kSeccompActions.find(name);
  if (!action) return Error::spec(pointer, "unknown action " + quote(name));
  return action_value(*action, errno_ret);
}

// One element of `syscalls`, for any architecture.
struct Entry {
  const std::vector<std::string>* names = nullptr;
  uint32_t action = 0;
  // Each is a set of conditions that must hold together; one empty set = no condition.
  std::vector<std::vector<SeccompCondition>> alternatives;

  bool has_conditions() const { return alternatives.size() != 1 || !alternatives.front().empty(); }
};

Result<SeccompCondition> read_condition(const spec::SeccompArg& arg, const std::string& pointer) {
  const auto op = spec::kSeccompOperators.find(arg.op);
  if (!op) return Error::spec(pointer + "/op", "unknown operator " + quote(arg.op));
  if (arg.index > 5) return Error::spec(pointer + "/index", "a system call has arguments 0 to 5");
  if (*op != spec::SeccompOperator::MaskedEq)
    return SeccompCondition{arg.index, *op, UINT64_MAX, arg.value};
  return SeccompCondition{arg.index, *op, arg.value, arg.value_two & arg.value};
}

bool by_index(const SeccompCondition& a, const SeccompCondition& b) { return a.index < b.index; }

// libseccomp takes one condition an argument and rule. Profiles that name an argument twice mean
// alternatives: every peer then makes each condition a rule of its own.
Result<Entry> read_entry(const spec::SeccompSyscall& source, const std::string& pointer) {
  Entry entry;
  entry.names = &source.names;
  entry.action = TRY(read_action(source.action, source.errno_ret, pointer + "/action"));
  std::vector<SeccompCondition> conditions;
  for (std::size_t i = 0; i < source.args.size(); ++i) {
    conditions.push_back(TRY(read_condition(source.args[i], pointer_at(pointer + "/args", i))));
  }
  std::vector<SeccompCondition> sorted = conditions;
  std::sort(sorted.begin(), sorted.end(), by_index);
  const auto same_index = [](const auto& a, const auto& b) { return a.index == b.index; };
  if (std::adjacent_find(sorted.begin(), sorted.end(), same_index) == sorted.end()) {
    entry.alternatives.push_back(std::move(sorted));
    return entry;
  }
  for (const auto& condition : conditions) entry.alternatives.push_back({condition});
  return entry;
}

Result<std::vector<Entry>> read_entries(const spec::Seccomp& seccomp) {
  std::vector<Entry> entries;
  entries.reserve(seccomp.syscalls.size());
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    entries.push_back(
        TRY(read_entry(seccomp.syscalls[i], pointer_at("/linux/seccomp/syscalls", i))));
  }
  return entries;
}

// --- one architecture
// ------------------------------------------------------------------------------

// `entry` speaks of the call `number`; with a selector only of that part of a multiplexer.
struct Mention {
  uint32_t number = 0;
  uint32_t entry = 0;
  std::optional<uint32_t> selector;
};

struct ArchCalls {
  SeccompArch arch;
  uint32_t newest = 0;  // the largest number that the profile speaks of, 0 = none
  std::vector<Mention> mentions;
};

ArchCalls resolve_names(const SeccompArch& arch,
                        const std::vector<Entry>& entries,
                        uint32_t default_action) {
  ArchCalls calls;
  calls.arch = arch;
  std::size_t names = 0;
  for (const auto& entry : entries) names += entry.names->size();
  calls.mentions.reserve(names);
  for (uint32_t i = 0; i < entries.size(); ++i) {
    // A rule with the default action says nothing, but the profile knows the call.
    const bool says_something = entries[i].action != default_action;
    for (const auto& name : *entries[i].names) {
      const SeccompNumbers numbers = seccomp_numbers(arch, name);
      if (numbers.direct) {
        calls.newest = std::max(calls.newest, *numbers.direct);
        if (says_something) calls.mentions.push_back({*numbers.direct, i, std::nullopt});
      }
      if (numbers.multiplexed && says_something) {
        calls.mentions.push_back({numbers.multiplexed->number, i, numbers.multiplexed->selector});
      }
    }
  }
  // Within one call the rules keep the profile's order.
  std::sort(calls.mentions.begin(), calls.mentions.end(), [](const auto& a, const auto& b) {
    return a.number != b.number ? a.number < b.number : a.entry < b.entry;
  });
  return calls;
}

// The multiplexer's other arguments are not the call's, which are behind a pointer that no filter
// can follow. libseccomp compares them nevertheless and puts the selector in the place of argument
// 0; a profile gets the same here.
std::vector<SeccompCondition> conditions_for(const Mention& mention,
                                             std::vector<SeccompCondition> conditions) {
  if (!mention.selector) return conditions;
  if (!conditions.empty() && conditions.front().index == 0) conditions.erase(conditions.begin());
  conditions.insert(conditions.begin(),
                    {0, spec::SeccompOperator::Eq, UINT64_MAX, *mention.selector});
  return conditions;
}

struct Call {
  uint32_t number = 0;
  SeccompLeaf leaf;
};

class CallCompiler {
 public:
  CallCompiler(const std::vector<Entry>& entries, uint32_t default_action)
      : entries_(entries), default_action_(default_action) {}

  // The calls of one architecture in the order of their numbers.
  Result<std::vector<Call>> compile(const ArchCalls& calls) {
    std::vector<Call> compiled;
    compiled.reserve(calls.mentions.size());
    for (auto first = calls.mentions.begin(); first != calls.mentions.end();) {
      const auto other = [&](const Mention& mention) { return mention.number != first->number; };
      const auto last = std::find_if(first, calls.mentions.end(), other);
      compiled.push_back({first->number, TRY(leaf(first, last, calls.arch.width))});
      first = last;
    }
    return compiled;
  }

  std::vector<SeccompChain> take_chains() && { return std::move(chains_); }

 private:
  using Iterator = std::vector<Mention>::const_iterator;

  Result<SeccompLeaf> leaf(Iterator first, Iterator last, ArgumentWidth width) {
    const Entry& entry = entries_[first->entry];
    if (!first->selector && !entry.has_conditions()) return SeccompLeaf{false, entry.action};
    SeccompCallRules rules(width);
    for (auto mention = first; mention != last; ++mention) TRY(add(rules, *mention));
    if (rules.unconditional()) return SeccompLeaf{false, *rules.unconditional()};
    return SeccompLeaf{true, index_of(std::move(rules).chain(default_action_))};
  }

  Result<> add(SeccompCallRules& rules, const Mention& mention) const {
    const Entry& entry = entries_[mention.entry];
    for (const auto& alternative : entry.alternatives) {
      const auto added = rules.add({entry.action, conditions_for(mention, alternative)});
      if (added == SeccompCallRules::Added::Yes) continue;
      return Error::spec(pointer_at("/linux/seccomp/syscalls", mention.entry),
                         "contradicts an earlier rule for one of these calls: the same conditions, "
                         "or fewer, lead to another action");
    }
    return {};
  }

  // Equal chains are written once.
  uint32_t index_of(SeccompChain chain) {
    const auto known = std::find(chains_.begin(), chains_.end(), chain);
    const auto index = static_cast<uint32_t>(known - chains_.begin());
    if (known == chains_.end()) chains_.push_back(std::move(chain));
    return index;
  }

  const std::vector<Entry>& entries_;
  uint32_t default_action_;
  std::vector<SeccompChain> chains_;
};

// --- ranges
// ------------------------------------------------------------------------------------------

class Ranges {
 public:
  void add(uint32_t first, SeccompLeaf leaf) {
    if (!ranges_.empty() && ranges_.back().first == first) ranges_.pop_back();
    if (ranges_.empty() || !(ranges_.back().leaf == leaf)) ranges_.push_back({first, leaf});
  }
  std::vector<SeccompRange> take() && { return std::move(ranges_); }

 private:
  std::vector<SeccompRange> ranges_;
};

// The calls, and between them what the background says for numbers without a call.
std::vector<SeccompRange> overlay(const std::vector<SeccompRange>& background,
                                  const std::vector<Call>& calls) {
  Ranges ranges;
  auto call = calls.begin();
  for (std::size_t i = 0; i < background.size(); ++i) {
    const uint32_t last = i + 1 < background.size() ? background[i + 1].first - 1 : UINT32_MAX;
    ranges.add(background[i].first, background[i].leaf);
    for (; call != calls.end() && call->number <= last; ++call) {
      ranges.add(call->number, call->leaf);
      if (call->number != last) ranges.add(call->number + 1, background[i].leaf);
    }
  }
  return std::move(ranges).take();
}

// A C library tries new system calls first and falls back on ENOSYS, but not on EPERM.
bool answers_newer_calls(uint32_t default_action) {
  return (default_action & uint32_t{SECCOMP_RET_ACTION_FULL}) == SECCOMP_RET_ERRNO;
}

// What one value of seccomp_data.arch answers to numbers without a call. x86_64 and x32 share that
// value and differ in a bit of the number; numbers of the one that the profile does not list are
// refused like a foreign architecture.
class Background {
 public:
  explicit Background(uint32_t default_action) : default_(default_action) {}

  std::vector<SeccompRange> build(const ArchCalls* calls, const ArchCalls* x32, bool is_x86_64) {
    add_known(0, calls);
    if (is_x86_64) {
      add_known(kX32Bit, x32);
      if (x32 == nullptr) ranges_.add(kSkippedCall, {false, default_});
    }
    return std::move(ranges_).take();
  }

 private:
  void add_known(uint32_t first, const ArchCalls* calls) {
    ranges_.add(first, {false, calls != nullptr ? default_ : kBadArchAction});
    if (calls == nullptr || calls->newest == 0 || !answers_newer_calls(default_)) return;
    ranges_.add(calls->newest + 1, {false, kEnosysAction});
  }

  uint32_t default_;
  Ranges ranges_;
};

Result<SeccompSection> build_section(CallCompiler& compiler,
                                     const ArchCalls* calls,
                                     const ArchCalls* x32,
                                     uint32_t default_action) {
  SeccompSection section;
  section.audit_arch = (calls != nullptr ? calls : x32)->arch.audit_arch;
  std::vector<Call> compiled;
  for (const ArchCalls* part : {calls, x32}) {
    if (part == nullptr) continue;
    const std::vector<Call> more = TRY(compiler.compile(*part));
    compiled.insert(compiled.end(), more.begin(), more.end());
  }
  const bool is_x86_64 = section.audit_arch == uint32_t{AUDIT_ARCH_X86_64};
  section.ranges = overlay(Background(default_action).build(calls, x32, is_x86_64), compiled);
  return section;
}

Result<std::vector<SeccompSection>> build_sections(CallCompiler& compiler,
                                                   const std::vector<ArchCalls>& arches,
                                                   uint32_t default_action) {
  const auto find = [&](uint32_t audit_arch, bool x32) -> const ArchCalls* {
    for (const auto& calls : arches) {
      if (calls.arch.audit_arch == audit_arch && calls.arch.x32 == x32) return &calls;
    }
    return nullptr;
  };
  std::vector<SeccompSection> sections;
  for (const auto& calls : arches) {
    const uint32_t audit_arch = calls.arch.audit_arch;
    const ArchCalls* main = find(audit_arch, false);
    if (calls.arch.x32 && main != nullptr) continue;
    sections.push_back(TRY(build_section(compiler, main, find(audit_arch, true), default_action)));
  }
  return sections;
}

// --- the rest
// -----------------------------------------------------------------------------------------

bool uses_notify(const std::vector<Entry>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.action == SECCOMP_RET_USER_NOTIF;
  });
}

// Between loading the filter and handing over the listener nobody answers notifications: a call
// that the hand-over needs would wait for ever.
Result<> check_notify(const std::vector<Entry>& entries, uint32_t default_action) {
  if (default_action == SECCOMP_RET_USER_NOTIF) {
    return unsupported("/linux/seccomp/defaultAction",
                       "SCMP_ACT_NOTIFY cannot be the default action");
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].action != SECCOMP_RET_USER_NOTIF) continue;
    const auto& names = *entries[i].names;
    if (std::find(names.begin(), names.end(), "sendmsg") == names.end()) continue;
    return unsupported(pointer_at("/linux/seccomp/syscalls", i),
                       "SCMP_ACT_NOTIFY cannot be used for sendmsg, which hands over the listener");
  }
  return {};
}

Result<uint32_t> read_flags(const spec::Seccomp& seccomp, bool notify) {
  // Unset means SPEC_ALLOW, as engines are used to: since Linux 5.16 the kernel does not switch
  // speculation off for filtered processes by default either.
  if (!seccomp.flags) return uint32_t{SECCOMP_FILTER_FLAG_SPEC_ALLOW};
  uint32_t flags = 0;
  for (std::size_t i = 0; i < seccomp.flags->size(); ++i) {
    const auto& name = (*seccomp.flags)[i];
    const auto flag = spec::kSeccompFlags.find(name);
    if (!flag) {
      return Error::spec(pointer_at("/linux/seccomp/flags", i), "unknown flag " + quote(name));
    }
    flags |= *flag;
  }
  // The kernel wants a listener with the one, and the extended error form of the other with a
  // listener.
  if (!notify) return flags & ~(uint32_t{1} << 5U);  // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 5.19
  if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  return flags;
}

}  // namespace

Result<Seccomp> compile_seccomp(const spec::Seccomp& seccomp) {
  const uint32_t default_action = TRY(read_action(
      seccomp.default_action, seccomp.default_errno_ret, "/linux/seccomp/defaultAction"));
  const std::vector<SeccompArch> arches = TRY(build_seccomp_arches(seccomp.architectures));
  const std::vector<Entry> entries = TRY(read_entries(seccomp));
  TRY(check_notify(entries, default_action));

  std::vector<ArchCalls> calls;
  for (const auto& arch : arches) calls.push_back(resolve_names(arch, entries, default_action));
  CallCompiler compiler(entries, default_action);
  const std::vector<SeccompSection> sections = TRY(build_sections(compiler, calls, default_action));

  Seccomp compiled;
  compiled.filter =
      TRY(assemble_filter(sections, std::move(compiler).take_chains(), kBadArchAction));
  compiled.notify = uses_notify(entries);
  compiled.flags = TRY(read_flags(seccomp, compiled.notify));
  compiled.listener_path = seccomp.listener_path.value_or("");
  compiled.listener_metadata = seccomp.listener_metadata.value_or("");
  return compiled;
}

}  // namespace corten::plan
