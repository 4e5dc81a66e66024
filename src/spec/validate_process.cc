// Rules of config.md "Process".
#include "rules.h"
#include <corten/spec/names.h>

namespace corten::spec {

namespace {

constexpr int32_t kMinNice = -20;
constexpr int32_t kMaxNice = 19;

// CF-084.
void cwd_absolute(const Process& process, const Report& report) {
  if (!is_absolute(process.cwd))
    report.expected(report.at / "cwd", "an absolute path", process.cwd);
}

void args_not_empty(const Process& process, const Report& report) {
  if (process.args.empty()) report.broken(report.at / "args", "expected at least one entry");
}

void umask_bits(const Process& process, const Report& report) {
  const auto& umask = process.user.umask;
  const Path user = report.at / "user";
  if (umask && *umask > 0777) report.expected(user / "umask", "at most 511 (octal 777)", *umask);
}

// CF-085.
void rlimit_types(const Process& process, const Report& report) {
  const Path list = report.at / "rlimits";
  for (std::size_t i = 0; i < process.rlimits.size(); ++i) {
    const Path entry = list / i;
    check_name(kRlimits, process.rlimits[i].type, entry / "type", report);
  }
}

// CF-089.
void rlimits_unique(const Process& process, const Report& report) {
  const Path list = report.at / "rlimits";
  uint32_t seen = 0;
  for (std::size_t i = 0; i < process.rlimits.size(); ++i) {
    const auto resource = kRlimits.find(process.rlimits[i].type);
    if (!resource) continue;
    const uint32_t bit = 1U << static_cast<unsigned>(*resource);
    const Path entry = list / i;
    if ((seen & bit) != 0) {
      report.broken(entry / "type", quote(process.rlimits[i].type) + " is given more than once");
    }
    seen |= bit;
  }
}

// setrlimit(2) EINVAL.
void rlimits_soft_below_hard(const Process& process, const Report& report) {
  const Path list = report.at / "rlimits";
  for (std::size_t i = 0; i < process.rlimits.size(); ++i) {
    const Rlimit& rlimit = process.rlimits[i];
    if (rlimit.soft <= rlimit.hard) continue;
    const Path entry = list / i;
    report.expected(entry / "soft", "at most hard, " + std::to_string(rlimit.hard), rlimit.soft);
  }
}

void oom_score_adj_range(const Process& process, const Report& report) {
  const auto& value = process.oom_score_adj;
  if (value && (*value < -1000 || *value > 1000)) {
    report.expected(report.at / "oomScoreAdj", "an integer from -1000 to 1000", *value);
  }
}

// One line is written to /proc/self/attr/exec.
void labels_one_line(const Process& process, const Report& report) {
  if (process.apparmor_profile && has_newline(*process.apparmor_profile)) {
    report.expected(report.at / "apparmorProfile", "one line", *process.apparmor_profile);
  }
  if (process.selinux_label && has_newline(*process.selinux_label)) {
    report.expected(report.at / "selinuxLabel", "one line", *process.selinux_label);
  }
}

void io_priority(const Process& process, const Report& report) {
  if (!process.io_priority) return;
  const Path path = report.at / "ioPriority";
  check_name(kIoPriorityClasses, process.io_priority->io_class, path / "class", report);
  const int32_t priority = process.io_priority->priority;
  if (priority < 0 || priority > 7) {
    report.expected(path / "priority", "an integer from 0 to 7", priority);
  }
}

void scheduler_names(const Process& process, const Report& report) {
  if (!process.scheduler) return;
  const Path path = report.at / "scheduler";
  check_name(kSchedulerPolicies, process.scheduler->policy, path / "policy", report);
  const Path flags = path / "flags";
  for (std::size_t i = 0; i < process.scheduler->flags.size(); ++i) {
    check_name(kSchedulerFlags, process.scheduler->flags[i], flags / i, report);
  }
}

void scheduler_nice(const Process& process, const Report& report) {
  if (!process.scheduler) return;
  const Path path = report.at / "scheduler";
  const int32_t nice = process.scheduler->nice;
  if (nice < kMinNice || nice > kMaxNice) {
    report.expected(path / "nice", "an integer from -20 to 19", nice);
  }
}

// sched(7): 1 to 99 for the real-time policies, 0 for the others.
void scheduler_priority(const Process& process, const Report& report) {
  if (!process.scheduler) return;
  const auto policy = kSchedulerPolicies.find(process.scheduler->policy);
  if (!policy) return;
  const Path path = report.at / "scheduler";
  const int32_t priority = process.scheduler->priority;
  const bool real_time = *policy == kSchedFifo || *policy == kSchedRr;
  if (real_time && (priority < 1 || priority > 99)) {
    report.expected(path / "priority", "an integer from 1 to 99 for a real-time policy", priority);
  }
  if (!real_time && priority != 0) {
    report.expected(path / "priority", "0 for " + process.scheduler->policy, priority);
  }
}

// sched(7) "SCHED_DEADLINE": runtime <= deadline <= period, where period 0 means deadline.
void scheduler_deadline(const Process& process, const Report& report) {
  if (!process.scheduler) return;
  const Scheduler& scheduler = *process.scheduler;
  const auto policy = kSchedulerPolicies.find(scheduler.policy);
  if (!policy) return;
  const Path path = report.at / "scheduler";
  if (*policy != kSchedDeadline) {
    if (scheduler.runtime == 0 && scheduler.deadline == 0 && scheduler.period == 0) return;
    return report.broken(path, "runtime, deadline and period need the policy SCHED_DEADLINE");
  }
  if (scheduler.runtime == 0)
    report.expected(path / "runtime", "more than 0 ns", scheduler.runtime);
  if (scheduler.deadline < scheduler.runtime || scheduler.deadline == 0) {
    report.expected(path / "deadline",
                    "at least runtime, " + std::to_string(scheduler.runtime),
                    scheduler.deadline);
  }
  if (scheduler.period != 0 && scheduler.period < scheduler.deadline) {
    report.expected(path / "period",
                    "0 or at least deadline, " + std::to_string(scheduler.deadline),
                    scheduler.period);
  }
}

void exec_cpu_affinity(const Process& process, const Report& report) {
  if (!process.exec_cpu_affinity) return;
  const Path path = report.at / "execCPUAffinity";
  const auto& [initial, final] = *process.exec_cpu_affinity;
  if (!parse_id_list(initial)) report.expected(path / "initial", "a list like 0-3,7", initial);
  if (!parse_id_list(final)) report.expected(path / "final", "a list like 0-3,7", final);
}

using ProcessRule = void (*)(const Process&, const Report&);
constexpr ProcessRule kProcessRules[] = {
    cwd_absolute,
    args_not_empty,
    umask_bits,
    rlimit_types,
    rlimits_unique,
    rlimits_soft_below_hard,
    oom_score_adj_range,
    labels_one_line,
    io_priority,
    scheduler_names,
    scheduler_nice,
    scheduler_priority,
    scheduler_deadline,
    exec_cpu_affinity,
};

}  // namespace

void check_process(const Process& process, std::string_view prefix, Problems& problems) {
  const Report report{problems, Path(prefix)};
  for (const auto rule : kProcessRules) rule(process, report);
}

}  // namespace corten::spec
