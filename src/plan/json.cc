// The Plan as JSON, field by field under the names of plan.h, in its order. Numbers that are bit
// sets are written as the kernel's hexadecimal where a person reads them (capabilities, mount
// flags).
#include <cinttypes>
#include <cstdio>

#include <corten/base/json_text.h>
#include <corten/plan/build.h>
#include <corten/spec/names.h>

namespace corten::plan {
namespace {

std::string hex(uint64_t value) {
  char text[19];
  (void)std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

std::string octal(uint32_t value) {
  char text[16];
  (void)std::snprintf(text, sizeof text, "%04o", value);
  return text;
}

template <typename Range, typename Write>
void write_array(JsonWriter& json, std::string_view name, const Range& range, Write write) {
  json.key(name).begin_array();
  for (const auto& item : range) write(json, item);
  json.end_array();
}

template <typename Range>
void write_numbers(JsonWriter& json, std::string_view name, const Range& range) {
  write_array(json, name, range, [](JsonWriter& out, const auto& number) { out.value(number); });
}

void write_pairs(JsonWriter& json,
                 std::string_view name,
                 const std::vector<std::pair<std::string, std::string>>& pairs) {
  // An array, since the order matters and a key may come twice.
  write_array(json, name, pairs, [](JsonWriter& out, const auto& pair) {
    out.begin_array().value(pair.first).value(pair.second).end_array();
  });
}

template <typename T>
void write_optional(JsonWriter& json, std::string_view name, const std::optional<T>& value) {
  json.key(name);
  if (value) {
    json.value(*value);
  } else {
    json.null();
  }
}

std::string_view namespace_name(uint64_t flag) { return spec::kNamespaceTypes.name_of(flag); }

void write_id_map(JsonWriter& json, std::string_view name, const std::vector<IdMapping>& map) {
  write_array(json, name, map, [](JsonWriter& out, const IdMapping& one) {
    out.begin_array().value(one.container_id).value(one.host_id).value(one.size).end_array();
  });
}

void write_namespaces(JsonWriter& json, const Namespaces& namespaces) {
  json.key("namespaces").begin_object();
  json.key("unshare").begin_array();
  for (const auto& known : spec::kNamespaceTypes) {
    if ((namespaces.unshare & known.value) != 0) json.value(known.name);
  }
  json.end_array();
  write_array(json, "join", namespaces.join, [](JsonWriter& out, const NamespaceJoin& one) {
    out.begin_object()
        .field("type", namespace_name(static_cast<uint64_t>(one.flag)))
        .field("path", one.path)
        .end_object();
  });
  write_id_map(json, "uid_map", namespaces.uid_map);
  write_id_map(json, "gid_map", namespaces.gid_map);
  json.field("time_offsets", namespaces.time_offsets).end_object();
}

void write_cgroup_writes(JsonWriter& json,
                         std::string_view name,
                         const std::vector<CgroupWrite>& writes) {
  write_array(json, name, writes, [](JsonWriter& out, const CgroupWrite& one) {
    out.begin_object()
        .field("controller", one.controller)
        .field("file", one.file)
        .field("value", one.value)
        .field("pointer", one.pointer)
        .field("optional", one.optional)
        .field("fallback_file", one.fallback_file)
        .field("fallback_value", one.fallback_value)
        .field("retry", one.retry)
        .field("usage_file", one.usage_file)
        .end_object();
  });
}

// As the kernel's devices.list: "allow c 1:3 rwm".
std::string rule_text(const DeviceRule& rule) {
  const auto number = [](int64_t value) { return value < 0 ? "*" : std::to_string(value); };
  std::string text = rule.allow ? "allow " : "deny ";
  text += rule.type;
  text += " " + number(rule.major) + ":" + number(rule.minor) + " ";
  if ((rule.access & 2U) != 0) text += 'r';
  if ((rule.access & 4U) != 0) text += 'w';
  if ((rule.access & 1U) != 0) text += 'm';
  return text;
}

std::string_view driver_name(CgroupDriver driver) {
  switch (driver) {
    case CgroupDriver::Cgroupfs:
      return "cgroupfs";
    case CgroupDriver::Systemd:
      return "systemd";
    case CgroupDriver::Disabled:
      return "disabled";
  }
  return "";
}

void write_cgroup(JsonWriter& json, const Cgroup& cgroup) {
  json.key("cgroup")
      .begin_object()
      .field("driver", driver_name(cgroup.driver))
      .field("path", cgroup.path)
      .field("relative", cgroup.relative)
      .field("optional", cgroup.optional)
      .field("user_manager", cgroup.user_manager)
      .field("optional", cgroup.optional)
      .field("user_manager", cgroup.user_manager)
      .field("slice", cgroup.slice)
      .field("scope", cgroup.scope);
  write_pairs(json, "systemd_properties", cgroup.systemd_properties);
  write_cgroup_writes(json, "writes", cgroup.writes);
  write_cgroup_writes(json, "late_writes", cgroup.late_writes);
  write_array(json, "device_rules", cgroup.device_rules, [](JsonWriter& out, const auto& rule) {
    out.value(rule_text(rule));
  });
  json.field("own_namespace", cgroup.own_namespace).field("delegate", cgroup.delegate);
  json.field("subgroup", cgroup.subgroup).field("delegated", cgroup.delegated).end_object();
}

std::string_view kind_name(MountKind kind) {
  switch (kind) {
    case MountKind::Filesystem:
      return "filesystem";
    case MountKind::Bind:
      return "bind";
    case MountKind::Remount:
      return "remount";
    case MountKind::Propagation:
      return "propagation";
    case MountKind::Cgroup:
      return "cgroup";
  }
  return "";
}

void write_attributes(JsonWriter& json, std::string_view name, const MountAttributes& attributes) {
  json.key(name)
      .begin_object()
      .field("set", hex(attributes.set))
      .field("clear", hex(attributes.clear))
      .end_object();
}

void write_idmap(JsonWriter& json, const std::optional<MountIdmap>& idmap) {
  json.key("idmap");
  if (!idmap) {
    json.null();
    return;
  }
  json.begin_object().field("recursive", idmap->recursive);
  write_id_map(json, "uid_map", idmap->uid_map);
  write_id_map(json, "gid_map", idmap->gid_map);
  json.end_object();
}

void write_mount(JsonWriter& json, const Mount& mount) {
  json.begin_object()
      .field("index", mount.index)
      .field("kind", kind_name(mount.kind))
      .field("destination", mount.destination)
      .field("source", mount.source)
      .field("type", mount.type)
      .field("recursive", mount.recursive);
  write_array(json, "data", mount.data, [](JsonWriter& out, const FsOption& option) {
    out.value(option.value ? option.key + "=" + *option.value : option.key);
  });
  write_attributes(json, "attributes", mount.attributes);
  write_attributes(json, "recursive_attributes", mount.recursive_attributes);
  write_array(json, "propagation", mount.propagation, [](JsonWriter& out, uint64_t flags) {
    out.value(hex(flags));
  });
  write_idmap(json, mount.idmap);
  json.field("copy_up", mount.copy_up).end_object();
}

std::string_view device_type_name(DeviceType type) {
  switch (type) {
    case DeviceType::Char:
      return "c";
    case DeviceType::Block:
      return "b";
    case DeviceType::Fifo:
      return "p";
  }
  return "";
}

void write_device(JsonWriter& json, const Device& device) {
  json.begin_object()
      .field("type", device_type_name(device.type))
      .field("path", device.path)
      .field("major", device.major)
      .field("minor", device.minor)
      .field("mode", octal(device.mode))
      .field("uid", device.uid)
      .field("gid", device.gid)
      .field("pointer", device.pointer)
      .end_object();
}

void write_filesystem(JsonWriter& json, const Plan& plan) {
  write_array(json, "mounts", plan.mounts, write_mount);
  write_array(json, "devices", plan.devices, write_device);
  json.field("rootless_devices", plan.rootless_devices).field("unprivileged", plan.unprivileged);
  json.strings("masked_paths", plan.masked_paths);
  json.strings("readonly_paths", plan.readonly_paths);
  write_array(json, "sysctls", plan.sysctls, [](JsonWriter& out, const Sysctl& sysctl) {
    out.begin_array().value(sysctl.path).value(sysctl.value).end_array();
  });
  json.field("mount_label", plan.mount_label);
}

void write_intel_rdt(JsonWriter& json, const std::optional<IntelRdt>& rdt) {
  json.key("intel_rdt");
  if (!rdt) {
    json.null();
    return;
  }
  json.begin_object().field("clos_id", rdt->clos_id).field("configured_clos", rdt->configured_clos);
  json.key("schemata").begin_array();
  for (const auto& schema : rdt->schemata) {
    json.begin_object()
        .field("line", schema.line)
        .field("pointer", schema.pointer)
        .field("must_match", schema.must_match)
        .end_object();
  }
  json.end_array().field("monitoring", rdt->monitoring).end_object();
}

void write_hook(JsonWriter& json, const Hook& hook) {
  json.begin_object().field("path", hook.path).strings("args", hook.args);
  if (hook.env) {
    json.strings("env", *hook.env);
  } else {
    json.key("env").null();
  }
  write_optional(json, "timeout", hook.timeout);
  json.field("pointer", hook.pointer).end_object();
}

void write_hooks(JsonWriter& json, const Hooks& hooks) {
  json.key("hooks").begin_object();
  write_array(json, "prestart", hooks.prestart, write_hook);
  write_array(json, "create_runtime", hooks.create_runtime, write_hook);
  write_array(json, "create_container", hooks.create_container, write_hook);
  write_array(json, "start_container", hooks.start_container, write_hook);
  write_array(json, "poststart", hooks.poststart, write_hook);
  write_array(json, "poststop", hooks.poststop, write_hook);
  if (!hooks.stdout_path.empty()) json.field("stdout_path", hooks.stdout_path);
  if (!hooks.stderr_path.empty()) json.field("stderr_path", hooks.stderr_path);
  json.end_object();
}

void write_capabilities(JsonWriter& json, const Capabilities& sets) {
  json.key("capabilities")
      .begin_object()
      .field("effective", hex(sets.effective))
      .field("permitted", hex(sets.permitted))
      .field("inheritable", hex(sets.inheritable))
      .field("bounding", hex(sets.bounding))
      .field("ambient", hex(sets.ambient))
      .end_object();
}

// Not the program itself: it is long, and follows from the configuration alone.
void write_seccomp(JsonWriter& json, const std::optional<Seccomp>& seccomp) {
  json.key("seccomp");
  if (!seccomp) {
    json.null();
    return;
  }
  json.begin_object()
      .field("instructions", seccomp->filter.size())
      .field("flags", hex(seccomp->flags))
      .field("notify", seccomp->notify)
      .field("listener_path", seccomp->listener_path)
      .field("listener_metadata", seccomp->listener_metadata)
      .end_object();
}

void write_scheduler(JsonWriter& json, const std::optional<Scheduler>& scheduler) {
  json.key("scheduler");
  if (!scheduler) {
    json.null();
    return;
  }
  json.begin_object()
      .field("policy", scheduler->policy)
      .field("flags", hex(scheduler->flags))
      .field("nice", scheduler->nice)
      .field("priority", scheduler->priority)
      .field("runtime", scheduler->runtime)
      .field("deadline", scheduler->deadline)
      .field("period", scheduler->period)
      .end_object();
}

void write_user(JsonWriter& json, const Process& process) {
  json.field("uid", process.uid).field("gid", process.gid);
  write_numbers(json, "groups", process.groups);
  json.field("keep_groups", process.keep_groups).field("umask", octal(process.umask));
}

void write_limits(JsonWriter& json, const Process& process) {
  write_array(json, "rlimits", process.rlimits, [](JsonWriter& out, const Rlimit& limit) {
    out.begin_object()
        .field("name", limit.name)
        .field("soft", limit.soft)
        .field("hard", limit.hard)
        .end_object();
  });
  write_optional(json, "oom_score_adj", process.oom_score_adj);
  write_scheduler(json, process.scheduler);
  write_optional(json, "io_priority", process.io_priority);
  json.key("memory_policy");
  if (process.memory_policy) {
    json.begin_object().field("mode", hex(static_cast<uint64_t>(process.memory_policy->mode)));
    write_array(json, "nodes", process.memory_policy->nodes, [](JsonWriter& out, uint64_t word) {
      out.value(hex(word));
    });
    json.end_object();
  } else {
    json.null();
  }
  write_optional(json, "personality", process.personality);
}

void write_process(JsonWriter& json, const std::optional<Process>& process) {
  json.key("process");
  if (!process) {
    json.null();
    return;
  }
  json.begin_object().strings("args", process->args).strings("env", process->env);
  json.field("cwd", process->cwd);
  write_user(json, *process);
  write_capabilities(json, process->capabilities);
  json.field("no_new_privileges", process->no_new_privileges);
  write_limits(json, *process);
  json.field("apparmor_profile", process->apparmor_profile)
      .field("selinux_label", process->selinux_label);
  write_seccomp(json, process->seccomp);
  json.field("terminal", process->terminal);
  json.key("console_size");
  if (process->console_size) {
    json.begin_object()
        .field("rows", process->console_size->rows)
        .field("columns", process->console_size->columns)
        .end_object();
  } else {
    json.null();
  }
  json.field("new_session_keyring", process->new_session_keyring)
      .field("initial_affinity", process->initial_affinity)
      .field("final_affinity", process->final_affinity)
      .field("preserve_fds", process->preserve_fds)
      .end_object();
}

}  // namespace

std::string to_json(const Plan& plan) {
  JsonWriter json(JsonWriter::Style::Indented);
  json.begin_object()
      .field("id", plan.id)
      .field("bundle", plan.bundle)
      .field("rootfs", plan.rootfs)
      .field("rootfs_readonly", plan.rootfs_readonly)
      .field("rootfs_propagation", hex(plan.rootfs_propagation))
      .field("no_pivot", plan.no_pivot)
      .field("hostname", plan.hostname)
      .field("domainname", plan.domainname);
  write_namespaces(json, plan.namespaces);
  write_cgroup(json, plan.cgroup);
  write_filesystem(json, plan);
  write_array(json, "net_devices", plan.net_devices, [](JsonWriter& out, const NetDevice& device) {
    out.begin_object()
        .field("host_name", device.host_name)
        .field("name", device.name)
        .field("pointer", device.pointer)
        .end_object();
  });
  write_intel_rdt(json, plan.intel_rdt);
  write_hooks(json, plan.hooks);
  write_process(json, plan.process);
  write_pairs(json, "annotations", plan.annotations);
  json.strings("warnings", plan.warnings);
  json.end_object();
  return json.take();
}

}  // namespace corten::plan
