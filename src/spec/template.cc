// The config.json that `corten spec` writes.
#include <initializer_list>
#include <string_view>

#include <corten/base/json_text.h>
#include <corten/spec/parse.h>
#include <corten/spec/template.h>

namespace corten::spec {

namespace {

using Words = std::initializer_list<std::string_view>;

struct MountEntry {
  std::string_view destination;
  std::string_view type;
  std::string_view source;
  Words options;
};

// What leaks the host's secrets or topology, or has been a way out (docs/security.md).
constexpr std::string_view kMasked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
};

constexpr std::string_view kReadonly[] = {
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
};

void write_capabilities(JsonWriter& json) {
  constexpr std::string_view kGranted[] = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  json.key("capabilities").begin_object();
  for (const auto set : {"bounding", "effective", "permitted"}) json.strings(set, kGranted);
  json.end_object();
}

void write_process(JsonWriter& json) {
  json.key("process").begin_object();
  json.field("terminal", true);
  json.key("user").begin_object().field("uid", 0).field("gid", 0).end_object();
  json.strings("args", Words{"sh"});
  json.strings(
      "env",
      Words{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"});
  json.field("cwd", "/");
  write_capabilities(json);
  json.key("rlimits").begin_array().begin_object();
  json.field("type", "RLIMIT_NOFILE").field("hard", 1024).field("soft", 1024);
  json.end_object().end_array();
  json.field("noNewPrivileges", true);
  json.end_object();
}

void write_mount(JsonWriter& json, const MountEntry& mount) {
  json.begin_object().field("destination", mount.destination);
  json.field("type", mount.type).field("source", mount.source);
  if (mount.options.size() != 0) json.strings("options", mount.options);
  json.end_object();
}

void write_mounts(JsonWriter& json, Rootless rootless) {
  json.key("mounts").begin_array();
  write_mount(json, {"/proc", "proc", "proc", {}});
  write_mount(json,
              {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}});
  if (rootless == Rootless::No) {
    write_mount(json,
                {"/dev/pts",
                 "devpts",
                 "devpts",
                 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}});
  } else {
    // The group "tty" has no id in a user namespace with one mapping.
    write_mount(json,
                {"/dev/pts",
                 "devpts",
                 "devpts",
                 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}});
  }
  write_mount(
      json,
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}});
  write_mount(json, {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}});
  if (rootless == Rootless::No) {
    write_mount(json, {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}});
  } else {
    // sysfs can be mounted only by the owner of the network namespace, which is the host's here.
    // What is mounted below it, the host's cgroups for one, comes along: "ro" would leave that
    // writable.
    write_mount(json, {"/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "rro"}});
  }
  write_mount(
      json,
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}});
  json.end_array();
}

void write_mapping(JsonWriter& json, std::string_view name, uint32_t host_id) {
  json.key(name).begin_array().begin_object();
  json.field("containerID", 0).field("hostID", host_id).field("size", 1);
  json.end_object().end_array();
}

void write_resources(JsonWriter& json) {
  json.key("resources").begin_object().key("devices").begin_array();
  json.begin_object().field("allow", false).field("access", "rwm").end_object();
  json.end_array().end_object();
}

void write_namespaces(JsonWriter& json, Words types) {
  json.key("namespaces").begin_array();
  for (const auto type : types) json.begin_object().field("type", type).end_object();
  json.end_array();
}

}  // namespace

std::string config_template(Rootless rootless, uint32_t uid, uint32_t gid) {
  JsonWriter json(JsonWriter::Style::Indented);
  json.begin_object();
  json.field("ociVersion", kOciVersionMax);
  write_process(json);
  json.key("root").begin_object().field("path", "rootfs").field("readonly", true).end_object();
  json.field("hostname", "corten");
  write_mounts(json, rootless);
  json.key("linux").begin_object();
  if (rootless == Rootless::Yes) {
    write_mapping(json, "uidMappings", uid);
    write_mapping(json, "gidMappings", gid);
    write_namespaces(json, {"pid", "ipc", "uts", "mount", "cgroup", "user"});
  } else {
    write_resources(json);
    write_namespaces(json, {"pid", "network", "ipc", "uts", "mount", "cgroup"});
  }
  json.strings("maskedPaths", kMasked).strings("readonlyPaths", kReadonly);
  json.end_object().end_object();
  return json.take() + "\n";
}

}  // namespace corten::spec
