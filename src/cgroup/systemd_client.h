// What the container's cgroups need of systemd's manager object, over D-Bus. Every function ends
// within kSystemdDeadlineMs, whatever the other side does.
// Source: org.freedesktop.systemd1(5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dbus.h"
#include <corten/base/result.h>

namespace corten::cgroup {

// Of one operation with all its messages.
inline constexpr int kSystemdDeadlineMs = 10000;

enum class SystemdManagerKind : uint8_t { System, User };

class SystemdClient {
 public:
  // Connects to the manager's private socket, which needs no bus daemon, else through the bus.
  // Errors: Unsupported that names every socket that was tried and why it did not work; Timeout.
  static Result<SystemdClient> connect(SystemdManagerKind kind);

  // Starts a transient unit and waits until it is active. A unit of that name that was left behind,
  // failed or without processes, goes first. Errors: Exists when a living unit has the name;
  // System; Timeout.
  Result<> start_unit(const std::string& name, const std::vector<dbus::Property>& properties);
  // Changes properties of a unit until the next reboot (what systemctl set-property --runtime
  // does).
  Result<> set_properties(const std::string& name, const std::vector<dbus::Property>& properties);
  // Stops a unit, waits until it is gone, and forgets a failure. A unit that does not exist is
  // fine.
  Result<> stop_unit(const std::string& name);

 private:
  SystemdClient(dbus::Connection connection, bool direct, dbus::Deadline deadline)
      : connection_(std::move(connection)), direct_(direct), deadline_(deadline) {}

  Result<> join_bus();
  Result<> run_job(std::string_view member, std::string_view signature, const dbus::Writer& body);
  Result<> wait_for_job(const std::string& job);
  // Whether the unit has no process.
  Result<bool> is_empty(const std::string& name);
  Result<> reset_failed(const std::string& name);

  dbus::Connection connection_;
  bool direct_;  // no bus daemon in between
  dbus::Deadline deadline_;
  std::string last_error_;  // name of the last error that systemd answered with
};

}  // namespace corten::cgroup
