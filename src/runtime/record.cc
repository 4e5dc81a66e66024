#include "record.h"

#include <fcntl.h>

#include <cerrno>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <corten/base/json_text.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::runtime {

namespace {

using Json = nlohmann::json;

// --- writing
// -----------------------------------------------------------------------------------------------

void write_identity(JsonWriter& json, std::string_view name, const ProcessIdentity& process) {
  json.key(name).begin_object();
  json.field("pid", process.pid).field("startTime", process.start_time);
  json.end_object();
}

void write_hooks(JsonWriter& json, std::string_view name, const std::vector<plan::Hook>& hooks) {
  json.key(name).begin_array();
  for (const auto& hook : hooks) {
    json.begin_object();
    json.field("path", hook.path).strings("args", hook.args);
    if (hook.env) json.strings("env", *hook.env);
    if (hook.timeout) json.field("timeout", *hook.timeout);
    json.field("pointer", hook.pointer);
    json.end_object();
  }
  json.end_array();
}

// --- reading: corten's own text, but it may have been cut short or edited
// ------------------------------------

template <typename T>
T number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return T{};
  return found->get<T>();
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const Json& member(const Json& object, const char* key) {
  static const Json nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::vector<std::string> strings(const Json& array) {
  std::vector<std::string> out;
  if (!array.is_array()) return out;
  for (const auto& item : array) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

ProcessIdentity read_identity(const Json& object) {
  if (!object.is_object()) return {};
  return {number<pid_t>(object, "pid"), number<uint64_t>(object, "startTime")};
}

std::vector<plan::Hook> read_hooks(const Json& array) {
  std::vector<plan::Hook> hooks;
  if (!array.is_array()) return hooks;
  for (const auto& item : array) {
    if (!item.is_object()) continue;
    plan::Hook hook;
    hook.path = text(item, "path");
    hook.args = strings(member(item, "args"));
    if (item.contains("env")) hook.env = strings(member(item, "env"));
    if (item.contains("timeout")) hook.timeout = number<int64_t>(item, "timeout");
    hook.pointer = text(item, "pointer");
    hooks.push_back(std::move(hook));
  }
  return hooks;
}

cgroup::Record read_cgroup(const Json& object) {
  cgroup::Record record;
  if (!object.is_object()) return record;
  record.driver = static_cast<plan::CgroupDriver>(number<int>(object, "driver"));
  record.scope = text(object, "scope");
  record.user_manager = flag(object, "userManager");
  const Json& locations = member(object, "locations");
  if (!locations.is_array()) return record;
  for (const auto& item : locations) {
    if (!item.is_object()) continue;
    cgroup::Location location;
    location.controllers = strings(member(item, "controllers"));
    location.mount_point = text(item, "mountPoint");
    location.path = text(item, "path");
    location.v2 = flag(item, "v2");
    location.existing_components = number<unsigned>(item, "existing");
    record.locations.push_back(std::move(location));
  }
  return record;
}

void write_cgroup(JsonWriter& json, const cgroup::Record& record) {
  json.key("cgroup").begin_object();
  json.field("driver", static_cast<int>(record.driver)).field("scope", record.scope);
  json.field("userManager", record.user_manager);
  json.key("locations").begin_array();
  for (const auto& location : record.locations) {
    json.begin_object();
    json.strings("controllers", location.controllers);
    json.field("mountPoint", location.mount_point)
        .field("path", location.path)
        .field("v2", location.v2);
    json.field("existing", location.existing_components);
    json.end_object();
  }
  json.end_array().end_object();
}

std::optional<RdtGroups> read_rdt(const Json& object) {
  if (!object.is_object()) return std::nullopt;
  return RdtGroups{text(object, "class"), flag(object, "removeClass"), flag(object, "monitoring")};
}

void write_rdt(JsonWriter& json, const RdtGroups& groups) {
  json.key("intelRdt").begin_object();
  json.field("class", groups.class_name).field("removeClass", groups.remove_class);
  json.field("monitoring", groups.monitoring).end_object();
}

}  // namespace

std::string Record::to_json() const {
  JsonWriter json;
  json.begin_object();
  json.field("version", version).field("ociVersion", oci_version).field("id", id);
  json.field("bundle", bundle)
      .field("rootfs", rootfs)
      .field("created", created)
      .field("owner", owner);
  json.field("phase", phase == Phase::Created ? "created" : "creating");
  write_identity(json, "runtime", runtime);
  write_identity(json, "init", init);
  json.field("initExeDevice", uint64_t{init_exe_device})
      .field("initExeInode", uint64_t{init_exe_inode});
  json.field("namespaces", namespaces)
      .field("hasProcess", has_process)
      .field("hasSeccomp", has_seccomp);
  json.field("seccompFlags", seccomp_flags)
      .field("seccompNotify", seccomp_notify)
      .field("sessionKeyring", session_keyring);
  if (personality) json.field("personality", uint64_t{*personality});
  json.field("seccompListenerPath", seccomp_listener_path)
      .field("seccompListenerMetadata", seccomp_listener_metadata);
  json.field("notifySocket", notify_socket);
  write_cgroup(json, cgroup);
  if (rdt) write_rdt(json, *rdt);
  write_hooks(json, "poststart", poststart);
  write_hooks(json, "poststop", poststop);
  json.key("annotations").begin_object();
  for (const auto& [key, value] : annotations) json.field(key, value);
  json.end_object().end_object();
  return json.take();
}

Result<Record> Record::from_json(std::string_view source) {
  const Json json = Json::parse(source, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return Error(ErrorKind::Internal, "the stored state is damaged: not a JSON object");
  Record record;
  record.version = number<int>(json, "version");
  if (record.version < 1 || record.version > kRecordVersion) {
    return Error(ErrorKind::Unsupported,
                 fmt::format("the stored state has version {}, this corten knows up to {}",
                             record.version,
                             kRecordVersion));
  }
  record.oci_version = text(json, "ociVersion");
  record.id = text(json, "id");
  record.bundle = text(json, "bundle");
  record.rootfs = text(json, "rootfs");
  record.created = text(json, "created");
  record.owner = number<uid_t>(json, "owner");
  record.phase = text(json, "phase") == "created" ? Phase::Created : Phase::Creating;
  record.runtime = read_identity(member(json, "runtime"));
  record.init = read_identity(member(json, "init"));
  record.init_exe_device = number<dev_t>(json, "initExeDevice");
  record.init_exe_inode = number<ino_t>(json, "initExeInode");
  record.namespaces = number<uint64_t>(json, "namespaces");
  record.has_process = flag(json, "hasProcess");
  record.has_seccomp = flag(json, "hasSeccomp");
  record.seccomp_flags = number<uint32_t>(json, "seccompFlags");
  record.seccomp_notify = flag(json, "seccompNotify");
  record.session_keyring = flag(json, "sessionKeyring");
  if (json.contains("personality")) record.personality = number<uint64_t>(json, "personality");
  record.seccomp_listener_path = text(json, "seccompListenerPath");
  record.seccomp_listener_metadata = text(json, "seccompListenerMetadata");
  record.notify_socket = text(json, "notifySocket");
  record.cgroup = read_cgroup(member(json, "cgroup"));
  record.rdt = read_rdt(member(json, "intelRdt"));
  record.poststart = read_hooks(member(json, "poststart"));
  record.poststop = read_hooks(member(json, "poststop"));
  const Json& annotations = member(json, "annotations");
  if (annotations.is_object()) {
    for (const auto& item : annotations.items()) {
      if (item.value().is_string())
        record.annotations.emplace_back(item.key(), item.value().get<std::string>());
    }
  }
  return record;
}

namespace {

struct StatLine {
  char state = '?';
  uint64_t start_time = 0;
};

// /proc/PID/stat: the second field is in parentheses and may hold anything, so counting starts
// behind the last one (proc(5)).
Result<StatLine> read_stat(pid_t pid) {
  const Result<std::string> line = sys::read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!line) return Error(ErrorKind::NotFound, fmt::format("no process {}", pid));
  const auto close = line->rfind(')');
  if (close == std::string::npos) return Error(ErrorKind::Internal, "malformed /proc/PID/stat");
  const auto fields = split(std::string_view(*line).substr(close + 2), ' ');
  constexpr std::size_t kStartTime = 22 - 3;  // field 3 is the first one here
  if (fields.size() <= kStartTime) return Error(ErrorKind::Internal, "malformed /proc/PID/stat");
  return StatLine{fields[0].empty() ? '?' : fields[0][0],
                  parse_integer<uint64_t>(fields[kStartTime]).value_or(0)};
}

}  // namespace

Result<ProcessIdentity> identify(pid_t pid) {
  const StatLine stat = TRY(read_stat(pid));
  return ProcessIdentity{pid, stat.start_time};
}

bool is_alive(const ProcessIdentity& process) {
  if (process.pid <= 0) return false;
  const Result<StatLine> stat = read_stat(process.pid);
  if (!stat) return false;
  return stat->start_time == process.start_time && stat->state != 'Z' && stat->state != 'X';
}

}  // namespace corten::runtime
