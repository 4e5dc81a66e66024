// Cpu affinity: the program starts with all cpus of its cgroup, not with what the runtime happened
// to have; exec can ask for other sets before and after it enters the cgroups. Spec: config.md
// "execCPUAffinity".
#include <array>

#include <fmt/format.h>

#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

constexpr std::size_t kWords = 128;  // 8192 cpus: CONFIG_NR_CPUS' largest value

// "0-3,7" as a mask.
Result<std::vector<uint64_t>> parse_cpulist(std::string_view text) {
  std::vector<uint64_t> mask(kWords);
  const auto bad = [&] {
    return Error(ErrorKind::InvalidSpec, "not a list of cpus: " + quote(text));
  };
  for (const auto part : split(text, ',')) {
    const auto range = split(trim(part), '-');
    const auto first = parse_integer<uint32_t>(range.front());
    const auto last = parse_integer<uint32_t>(range.back());
    if (range.size() > 2 || !first || !last || *first > *last || *last >= kWords * 64) return bad();
    for (uint32_t cpu = *first; cpu <= *last; ++cpu) mask[cpu / 64] |= uint64_t{1} << (cpu % 64);
  }
  return mask;
}

Result<> set_affinity(std::string_view list, const char* pointer) {
  if (list.empty()) return {};
  const auto mask = TRY(parse_cpulist(list).context(pointer));
  return sys::sched_setaffinity(mask).context(pointer);
}

}  // namespace

Result<> apply_initial_affinity(const plan::Process& process) {
  return set_affinity(process.initial_affinity, "/process/execCPUAffinity/initial");
}

Result<> apply_final_affinity(const plan::Process& process) {
  if (!process.final_affinity.empty())
    return set_affinity(process.final_affinity, "/process/execCPUAffinity/final");
  // The kernel takes the cpus of the cgroup out of this. A refusal (a filter around the runtime)
  // leaves the caller's, which works as well.
  (void)sys::sched_setaffinity(std::vector<uint64_t>(kWords, ~uint64_t{0}));
  return {};
}

}  // namespace corten::stage
