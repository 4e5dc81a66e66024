#include "systemd_client.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include <corten/base/strings.h>

namespace corten::cgroup {

namespace {

constexpr std::string_view kService = "org.freedesktop.systemd1";
constexpr std::string_view kPath = "/org/freedesktop/systemd1";
constexpr std::string_view kManager = "org.freedesktop.systemd1.Manager";
constexpr std::string_view kBus = "org.freedesktop.DBus";
constexpr std::string_view kNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
constexpr std::string_view kUnitExists = "org.freedesktop.systemd1.UnitExists";

struct Address {
  std::string path;
  bool direct = false;
};

std::string environment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// The first path of "unix:path=/run/user/0/bus,guid=...;...".
std::string socket_of_bus_address(std::string_view address) {
  constexpr std::string_view kPrefix = "unix:path=";
  if (!address.starts_with(kPrefix)) return {};
  address.remove_prefix(kPrefix.size());
  return std::string(address.substr(0, address.find_first_of(",;")));
}

std::vector<Address> addresses_of(SystemdManagerKind kind) {
  if (kind == SystemdManagerKind::System)
    return {{"/run/systemd/private", true}, {"/run/dbus/system_bus_socket", false}};
  std::vector<Address> all;
  const std::string directory = environment("XDG_RUNTIME_DIR");
  if (directory.starts_with('/')) all.push_back({directory + "/systemd/private", true});
  const std::string bus = socket_of_bus_address(environment("DBUS_SESSION_BUS_ADDRESS"));
  if (!bus.empty()) all.push_back({bus, false});
  if (directory.starts_with('/') && bus.empty()) all.push_back({directory + "/bus", false});
  return all;
}

Error unreachable(SystemdManagerKind kind, const std::string& tried) {
  const bool user = kind == SystemdManagerKind::User;
  std::string text = user ? "no systemd user manager can be reached"
                          : "no systemd can be reached: it has to be the host's first process";
  if (!tried.empty()) text += ":" + tried;
  if (user && tried.empty()) text += ": XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS are not set";
  if (user)
    text += "; log in as this user, or run 'loginctl enable-linger' for it and set XDG_RUNTIME_DIR";
  text += "; or use the cgroupfs driver (--cgroup-manager=cgroupfs)";
  return Error(ErrorKind::Unsupported, text);
}

}  // namespace

Result<SystemdClient> SystemdClient::connect(SystemdManagerKind kind) {
  const dbus::Deadline deadline(kSystemdDeadlineMs);
  std::string tried;
  for (const auto& address : addresses_of(kind)) {
    Result<dbus::Connection> connection = dbus::Connection::open(address.path, deadline);
    if (connection) {
      SystemdClient client(std::move(*connection), address.direct, deadline);
      if (!address.direct) TRY(client.join_bus().context("joining the message bus"));
      return client;
    }
    const Error& why = connection.error();
    if (why.kind() == ErrorKind::Timeout || why.errno_value() == EAGAIN) return why;
    tried += fmt::format(" {}", connection.error().message());
    tried += ",";
  }
  if (!tried.empty()) tried.pop_back();
  return unreachable(kind, tried);
}

Result<> SystemdClient::join_bus() {
  TRY(connection_.call({kBus, "/org/freedesktop/DBus", kBus, "Hello", "", ""}, deadline_, nullptr));
  dbus::Writer rule;
  rule.text("type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
  TRY(connection_.call(
      {kBus, "/org/freedesktop/DBus", kBus, "AddMatch", "s", rule.bytes()}, deadline_, nullptr));
  TRY(connection_.call({kService, kPath, kManager, "Subscribe", "", ""}, deadline_, nullptr));
  return {};
}

// JobRemoved(u id, o job, s unit, s result).
Result<> SystemdClient::wait_for_job(const std::string& job) {
  for (;;) {
    const dbus::Message signal = TRY(connection_.wait_signal(deadline_));
    if (signal.member != "JobRemoved" || signal.interface != kManager) continue;
    dbus::Reader reader(signal.body);
    (void)reader.u32();
    if (reader.text() != job) continue;
    (void)reader.text();
    const std::string result(reader.text());
    if (result == "done" || result == "skipped") return {};
    return Error(ErrorKind::System, fmt::format("systemd's job ended with {}", quote(result)));
  }
}

Result<> SystemdClient::run_job(std::string_view member,
                                std::string_view signature,
                                const dbus::Writer& body) {
  last_error_.clear();
  const std::string answer = TRY(connection_.call(
      {kService, kPath, kManager, member, signature, body.bytes()}, deadline_, &last_error_));
  return wait_for_job(std::string(dbus::Reader(answer).text()));
}

Result<> SystemdClient::start_unit(const std::string& name,
                                   const std::vector<dbus::Property>& properties) {
  dbus::Writer body;
  body.text(name);
  body.text("fail");
  body.properties(properties);
  body.array(8, [] {});  // no auxiliary units
  const auto start = [&] { return run_job("StartTransientUnit", "ssa(sv)a(sa(sv))", body); };
  Result<> started = start();
  if (!started && last_error_ == kUnitExists) {
    // What an earlier run left behind still has its name: in the state "failed", or without any
    // process when systemd missed that its cgroup went.
    const bool empty = TRY(is_empty(name));
    TRY(empty ? stop_unit(name) : reset_failed(name));
    started = start();
    if (!started && last_error_ == kUnitExists)
      return Error(ErrorKind::Exists,
                   fmt::format("the systemd unit {} exists and is in use: choose another "
                               "linux.cgroupsPath",
                               quote(name)));
  }
  return std::move(started).context([&] { return "starting the systemd unit " + quote(name); });
}

Result<> SystemdClient::set_properties(const std::string& name,
                                       const std::vector<dbus::Property>& properties) {
  if (properties.empty()) return {};
  dbus::Writer body;
  body.text(name);
  body.u32(1);  // until the next reboot
  body.properties(properties);
  const Result<std::string> answer =
      connection_.call({kService, kPath, kManager, "SetUnitProperties", "sba(sv)", body.bytes()},
                       deadline_,
                       &last_error_);
  if (answer) return {};
  return Error(answer.error())
      .with_context("setting properties of the systemd unit " + quote(name));
}

Result<bool> SystemdClient::is_empty(const std::string& name) {
  dbus::Writer body;
  body.text(name);
  const Result<std::string> answer = connection_.call(
      {kService, kPath, kManager, "GetUnitProcesses", "s", body.bytes()}, deadline_, &last_error_);
  if (!answer) {
    if (last_error_ == kNoSuchUnit) return true;  // gone by now
    return answer.error();
  }
  return dbus::Reader(*answer).u32() == 0;  // the length of the array of processes
}

Result<> SystemdClient::reset_failed(const std::string& name) {
  dbus::Writer body;
  body.text(name);
  const Result<std::string> answer = connection_.call(
      {kService, kPath, kManager, "ResetFailedUnit", "s", body.bytes()}, deadline_, &last_error_);
  if (answer || last_error_ == kNoSuchUnit) return {};
  return answer.error();
}

Result<> SystemdClient::stop_unit(const std::string& name) {
  dbus::Writer body;
  body.text(name);
  body.text("replace");
  const Result<> stopped = run_job("StopUnit", "ss", body);
  if (!stopped && last_error_ == kNoSuchUnit) return {};  // collected already
  TRY(Result<>(stopped).context([&] { return "stopping the systemd unit " + quote(name); }));
  return reset_failed(name);
}

}  // namespace corten::cgroup
