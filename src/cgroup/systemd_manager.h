// The systemd driver: systemd makes the container's cgroup as a transient scope and hands it over
// (Delegate=yes); inside it this driver is the cgroupfs one. Limits are given to systemd as
// properties and written to the files as well, so that both agree and the values are exact.
//
// The device filter of cgroup v2 is an eBPF program of corten's own beside systemd's, and systemd
// is told nothing about devices: so it has no program to put in place at a daemon-reload, and
// devices that a hook adds later stay. On v1, where systemd owns the file, it gets the list.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dbus_value.h"
#include "fs_manager.h"
#include "systemd_client.h"

namespace corten::cgroup {

struct UnitPlan {
  std::string name;         // "corten-abc.scope", or a slice
  std::string slice;        // where a scope goes
  std::string description;  // for systemctl status
  std::vector<dbus::Property> properties;
  // The path of a scope is known when it has started; systemd decides.
  std::vector<Location> hierarchies;
};

class SystemdManager : public FsManager {
 public:
  // Of a container in the making: the record has no location before create().
  SystemdManager(Record record, UnitPlan unit);
  // Of a container that exists.
  explicit SystemdManager(Record record) : FsManager(std::move(record)) {}
  SystemdManager(const SystemdManager&) = delete;
  SystemdManager(SystemdManager&&) = delete;
  SystemdManager& operator=(const SystemdManager&) = delete;
  SystemdManager& operator=(SystemdManager&&) = delete;
  ~SystemdManager() override;

  Result<> create() override;
  // systemd decides where the container is, and has to make that first.
  Result<Entrance> create_entrance() override;
  void settle() final;
  Result<> apply(const std::vector<plan::CgroupWrite>& writes) override;
  Result<> update(const std::vector<plan::CgroupWrite>& writes) override;
  Result<> remove(int milliseconds) override;

 private:
  SystemdManagerKind kind() const;
  bool is_slice() const;
  Result<> start_unit();
  Result<> hold_place();
  std::vector<dbus::Property> all_properties() const;
  Result<std::string> unit_path() const;
  Result<std::vector<dbus::Property>> properties_of(
      const std::vector<plan::CgroupWrite>& writes) const;

  UnitPlan unit_;
  pid_t placeholder_ = 0;  // the process that a scope needs to exist
};

}  // namespace corten::cgroup
