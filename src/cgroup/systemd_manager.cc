#include "systemd_manager.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include <fmt/format.h>

#include "unit_properties.h"
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::cgroup {

namespace {

constexpr std::string_view kSliceSuffix = ".slice";
constexpr std::size_t kMaxProcText = 65536;

unsigned depth_of(const std::string& path) {
  unsigned count = 0;
  for (const auto part : split(path, '/')) count += part.empty() ? 0 : 1;
  return count;
}

std::vector<plan::CgroupWrite> values_before(const FsManager& manager,
                                             const std::vector<plan::CgroupWrite>& writes) {
  std::vector<plan::CgroupWrite> before;
  for (const auto& write : writes) {
    const Result<std::string> value = manager.read(write.controller, write.file);
    if (!value) continue;
    plan::CgroupWrite old = write;
    old.value = trim(*value);
    old.fallback_file.clear();
    before.push_back(std::move(old));
  }
  return before;
}

}  // namespace

SystemdManager::SystemdManager(Record record, UnitPlan unit)
    : FsManager(std::move(record)), unit_(std::move(unit)) {}

SystemdManager::~SystemdManager() { SystemdManager::settle(); }

SystemdManagerKind SystemdManager::kind() const {
  return record().user_manager ? SystemdManagerKind::User : SystemdManagerKind::System;
}

bool SystemdManager::is_slice() const { return unit_.name.ends_with(kSliceSuffix); }

std::vector<dbus::Property> SystemdManager::all_properties() const {
  std::vector<dbus::Property> all = {
      {"Description", dbus::string(unit_.description)},
      {"DefaultDependencies", dbus::boolean(false)},
      // A container that ends badly would otherwise leave a failed unit with its name behind.
      {"CollectMode", dbus::string("inactive-or-failed")},
      {"MemoryAccounting", dbus::boolean(true)},
      {"CPUAccounting", dbus::boolean(true)},
      {"IOAccounting", dbus::boolean(true)},
      {"TasksAccounting", dbus::boolean(true)},
      // Without a limit in the config there is none, as with the other driver.
      {"TasksMax", dbus::uint64(~uint64_t{0})},
  };
  if (is_slice()) {
    std::erase_if(all, [](const dbus::Property& one) { return one.first == "CollectMode"; });
  } else {
    all.emplace_back("Slice", dbus::string(unit_.slice));
    all.emplace_back("Delegate", dbus::boolean(true));
    all.emplace_back("PIDs", dbus::array("u", {dbus::uint32(static_cast<uint32_t>(placeholder_))}));
  }
  for (const auto& property : unit_.properties) {
    // The annotation of a person wins over what is set here.
    std::erase_if(all, [&](const dbus::Property& one) { return one.first == property.first; });
    all.push_back(property);
  }
  return all;
}

// A scope exists for as long as there is a process in it, and the container's first process shall
// be born inside: until then this one holds the place. It dies with the runtime.
Result<> SystemdManager::hold_place() {
  const pid_t parent = ::getpid();
  placeholder_ = TRY(sys::fork());
  if (placeholder_ != 0) return {};
  (void)sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL);
  while (::getppid() == parent) ::pause();
  _exit(0);
}

Result<Entrance> SystemdManager::create_entrance() {
  return Error(ErrorKind::Unsupported, "systemd makes the container's cgroups as a whole");
}

void SystemdManager::settle() {
  if (placeholder_ == 0) return;
  (void)sys::kill(placeholder_, SIGKILL);
  (void)sys::wait_child(placeholder_);  // ECHILD: somebody has waited for every child already
  placeholder_ = 0;
}

Result<> SystemdManager::start_unit() {
  SystemdClient client = TRY(SystemdClient::connect(kind()));
  return client.start_unit(unit_.name, all_properties());
}

// Where systemd has put the unit: the user manager's units are below the user's slice, and only
// systemd knows where that is.
Result<std::string> SystemdManager::unit_path() const {
  const std::string text =
      TRY(sys::read_file(fmt::format("/proc/{}/cgroup", placeholder_), kMaxProcText));
  for (const std::string_view prefix : {"0::", "1:name=systemd:"}) {
    for (const auto line : split(text, '\n')) {
      if (line.starts_with(prefix) && line.ends_with("/" + unit_.name))
        return std::string(line.substr(prefix.size()));
    }
  }
  return Error(ErrorKind::System,
               "systemd has started " + quote(unit_.name) + " but moved no process there");
}

Result<> SystemdManager::create() {
  if (!is_slice()) TRY(hold_place());
  TRY(start_unit());
  // Where a slice is follows from its name, so it is in the plan.
  const std::string path = is_slice() ? std::string() : TRY(unit_path());
  for (auto& location : unit_.hierarchies) {
    if (!path.empty()) location.path = path;
    location.existing_components = depth_of(location.path) - 1;
  }
  adopt(unit_.name, unit_.hierarchies);
  return create_directories(Directory::Existing::Adopt);
}

Result<std::vector<dbus::Property>> SystemdManager::properties_of(
    const std::vector<plan::CgroupWrite>& writes) const {
  uint64_t period_us = 100000;
  const Result<std::string> quota = read("cpu", "cpu.max");  // "max 100000"
  if (quota) {
    const auto words = split(trim(*quota), ' ');
    period_us = parse_integer<uint64_t>(words.back()).value_or(period_us);
  }
  return unit_properties(writes, period_us);
}

// systemd got its properties when the unit started, but for a limit that was too small then.
Result<> SystemdManager::apply(const std::vector<plan::CgroupWrite>& writes) {
  std::vector<plan::CgroupWrite> late;
  std::copy_if(writes.begin(), writes.end(), std::back_inserter(late), [](const auto& write) {
    return !fits_the_making(write);
  });
  const auto properties = unit_properties(late);
  if (!properties.empty()) {
    SystemdClient client = TRY(SystemdClient::connect(kind()));
    TRY(client.set_properties(record().scope, properties));
  }
  return FsManager::apply(writes);
}

// systemd first: the files then get the exact values, of which systemd keeps some rounded.
Result<> SystemdManager::update(const std::vector<plan::CgroupWrite>& writes) {
  const auto before = values_before(*this, writes);
  TRY(check_usages(writes));
  const auto properties = TRY(properties_of(writes));
  if (!properties.empty()) {
    SystemdClient client = TRY(SystemdClient::connect(kind()));
    TRY(client.set_properties(record().scope, properties));
  }
  Result<> updated = FsManager::update(writes);
  if (updated) return updated;
  const auto old = properties_of(before);
  if (old && !old->empty()) {
    Result<SystemdClient> client = SystemdClient::connect(kind());
    if (client) (void)client->set_properties(record().scope, *old);
  }
  (void)FsManager::apply(before);  // what systemd keeps rounded
  return updated;
}

// The processes and directories go without systemd's help, so a container can be deleted when
// systemd does not answer.
Result<> SystemdManager::remove(int milliseconds) {
  settle();
  TRY(FsManager::remove(milliseconds));
  if (record().scope.empty()) return {};  // it was never started
  const auto stop = [&]() -> Result<> {
    SystemdClient client = TRY(SystemdClient::connect(kind()));
    return client.stop_unit(record().scope);
  };
  const Result<> stopped = stop();
  if (!stopped)
    log::warning(fmt::format("the systemd unit {} may be left behind: {}",
                             quote(record().scope),
                             stopped.error().message()));
  return {};
}

}  // namespace corten::cgroup
