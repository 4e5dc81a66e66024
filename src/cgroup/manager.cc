#include <fcntl.h>

#include "fs_manager.h"
#include "null_manager.h"
#include "systemd_manager.h"
#include "unit_properties.h"
#include <corten/base/strings.h>
#include <corten/cgroup/entrance.h>
#include <corten/cgroup/manager.h>
#include <corten/sys/file.h>

namespace corten::cgroup {

namespace {

std::string place(const plan::Cgroup& plan, const std::string& own_path) {
  return clean_path(plan.relative ? own_path + "/" + plan.path : plan.path);
}

Record locate(const plan::Cgroup& plan, const plan::CgroupFacts& facts) {
  Record record;
  record.driver = plan.driver;
  for (const auto& hierarchy : facts.v1) {
    record.locations.push_back(
        {hierarchy.controllers, hierarchy.mount_point, place(plan, hierarchy.own_path), false, 0});
  }
  for (const auto& hierarchy : facts.v2) {
    record.locations.push_back(
        {hierarchy.controllers, hierarchy.mount_point, place(plan, hierarchy.own_path), true, 0});
  }
  return record;
}

Result<std::vector<dbus::Property>> properties_at_start(const plan::Cgroup& plan,
                                                        const plan::CgroupFacts& facts) {
  std::vector<dbus::Property> properties = unit_properties(plan.writes);
  if (facts.find_v1("devices") != nullptr && !plan.device_rules.empty()) {
    constexpr std::size_t kMaxDevices = 65536;
    const std::string devices = TRY(sys::read_file("/proc/devices", kMaxDevices));
    for (auto& one : device_properties(plan.device_rules, devices))
      properties.push_back(std::move(one));
  }
  for (const auto& write : plan.late_writes) {
    if (fits_the_making(write)) {
      for (auto& one : unit_properties({write})) properties.push_back(std::move(one));
    }
  }
  // Last: what a person asks for by name wins.
  for (auto& one : TRY(annotated_properties(plan.systemd_properties)))
    properties.push_back(std::move(one));
  return properties;
}

}  // namespace

Result<> Entrance::enter_self(WithV2 with_v2) const {
  for (const auto& fd : tasks) TRY(sys::write_once(fd.get(), "0"));
  for (const auto& one : later) {
    const sys::UniqueFd fd =
        TRY(sys::openat2(one.mount_point.get(), one.tasks, O_WRONLY, kInsideHierarchy));
    TRY(sys::write_once(fd.get(), "0"));
  }
  if (with_v2 == WithV2::No || !v2_dir.valid()) return {};
  const sys::UniqueFd procs = TRY(sys::openat(v2_dir.get(), "cgroup.procs", O_WRONLY));
  const Result<> entered = sys::write_once(procs.get(), "0");
  if (entered || !v2_fallback.valid() || !is_closed_to_processes(entered.error())) return entered;
  const sys::UniqueFd others = TRY(sys::openat(v2_fallback.get(), "cgroup.procs", O_WRONLY));
  return sys::write_once(others.get(), "0");
}

Result<std::unique_ptr<Manager>> make_manager(const plan::Cgroup& plan,
                                              const plan::CgroupFacts& facts) {
  if (plan.driver != plan::CgroupDriver::Systemd) return open_manager(locate(plan, facts));
  Record record = locate(plan, facts);
  if (record.locations.empty())
    return Error(ErrorKind::Unsupported,
                 "the systemd cgroup driver needs cgroups and this host has none");
  UnitPlan unit{plan.scope, plan.slice, "corten container", {}, std::move(record.locations)};
  unit.properties = TRY(properties_at_start(plan, facts));
  record.locations.clear();  // known when the unit has started
  record.user_manager = plan.user_manager;
  return std::unique_ptr<Manager>(
      std::make_unique<SystemdManager>(std::move(record), std::move(unit)));
}

std::unique_ptr<Manager> open_manager(Record record) {
  if (record.driver == plan::CgroupDriver::Disabled || record.locations.empty())
    return std::make_unique<NullManager>(std::move(record));
  if (record.driver == plan::CgroupDriver::Systemd)
    return std::make_unique<SystemdManager>(std::move(record));
  return std::make_unique<FsManager>(std::move(record));
}

}  // namespace corten::cgroup
