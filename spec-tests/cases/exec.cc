// config.md: execCPUAffinity, the one property that concerns processes which join a running
// container.
#include <sched.h>
#include <unistd.h>

#include "case.h"

namespace spec {
namespace {

// Runs "checker report" by the runtime's exec command with this process document on top of the
// container's own.
std::optional<Json> exec_report(Case& c, const Json& changes) {
  Json process = c.bundle.process();
  process["args"] = {"/bin/checker", "report"};
  process.update(changes);
  const std::string file = c.directory() + "/process.json";
  write_file(file, process.dump());
  const CommandResult result = c.runtime({"exec", "--process", file, c.container.id()});
  if (!result.ok()) return std::nullopt;
  Json report = Json::parse(result.out, nullptr, false);
  if (report.is_discarded()) return std::nullopt;
  return report;
}

Json all_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  Json list = Json::array();
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) list.push_back(cpu);
  }
  return list;
}

SPEC_CASE(ExecAffinity, Final, "CF-094 RT-005", "final is the affinity of the process that joins") {
  SPEC_NEED(all_cpus().size() > 1, "this host has one CPU");
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  SPEC_NEED(exec_report(c, Json::object()).has_value(),
            "the runtime has no exec command that takes a process document");
  const auto report = exec_report(c, {{"execCPUAffinity", {{"initial", "0"}, {"final", "1"}}}});
  ASSERT_TRUE(report);
  EXPECT_EQ((*report)["affinity"], Json::array({1}));
}

SPEC_CASE(ExecAffinity,
          NoFinal,
          "CF-094",
          "without final the affinity is not changed after the cgroup is joined") {
  SPEC_NEED(all_cpus().size() > 1, "this host has one CPU");
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  SPEC_NEED(exec_report(c, Json::object()).has_value(),
            "the runtime has no exec command that takes a process document");
  const auto report = exec_report(c, {{"execCPUAffinity", {{"initial", "0"}}}});
  ASSERT_TRUE(report);
  // Either the kernel has kept the initial affinity or the cpuset of the cgroup has replaced it.
  EXPECT_TRUE((*report)["affinity"] == Json::array({0}) || (*report)["affinity"] == all_cpus())
      << (*report)["affinity"];
}

SPEC_CASE(ExecAffinity,
          NotForTheFirstProcess,
          "CF-094 RT-018",
          "execCPUAffinity of the config does not concern the container process") {
  SPEC_NEED(all_cpus().size() > 1, "this host has one CPU");
  c.bundle.process()["execCPUAffinity"] = {{"initial", "0"}, {"final", "0"}};
  EXPECT_EQ(c.report()["affinity"], all_cpus());
}

}  // namespace
}  // namespace spec
