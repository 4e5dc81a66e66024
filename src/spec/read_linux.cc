// config-linux.md, without resources and seccomp.
#include <sys/stat.h>

#include "read.h"

namespace corten::spec {

void read_value(Cursor cursor, Linux& out) {
  ObjectReader object(cursor);
  object.optional("uidMappings", out.uid_mappings);
  object.optional("gidMappings", out.gid_mappings);
  object.optional("sysctl", out.sysctl);
  object.optional("resources", out.resources);
  object.optional("cgroupsPath", out.cgroups_path);
  object.optional("namespaces", out.namespaces);
  object.optional("devices", out.devices);
  object.optional("netDevices", out.net_devices);
  object.optional("seccomp", out.seccomp);
  object.optional("rootfsPropagation", out.rootfs_propagation);
  object.optional("maskedPaths", out.masked_paths);
  object.optional("readonlyPaths", out.readonly_paths);
  object.optional("mountLabel", out.mount_label);
  object.optional("intelRdt", out.intel_rdt);
  object.optional("memoryPolicy", out.memory_policy);
  object.optional("personality", out.personality);
  object.optional("timeOffsets", out.time_offsets);
}

void read_value(Cursor cursor, Namespace& out) {
  ObjectReader object(cursor);
  object.required("type", out.type);
  object.optional("path", out.path);
}

// An object in the file: the clock's name -> its offset.
void read_value(Cursor cursor, std::vector<TimeOffset>& out) {
  ObjectReader clocks(cursor);
  clocks.each([&](Cursor clock, Cursor value) {
    auto& offset = out.emplace_back();
    read_value(clock, offset.clock);
    ObjectReader object(value);
    object.optional("secs", offset.secs);
    object.optional("nanosecs", offset.nanosecs);
  });
}

void read_value(Cursor cursor, Device& out) {
  // Engines that copy st_mode leave the file type in; it is dropped, `type` has it.
  constexpr Range kMode{0, S_IFMT | 07777};
  ObjectReader object(cursor);
  object.required("path", out.path);
  object.required("type", out.type);
  object.optional("major", out.major);
  object.optional("minor", out.minor);
  object.optional("fileMode", out.file_mode, kMode);
  object.optional("uid", out.uid, kIdRange);
  object.optional("gid", out.gid, kIdRange);
  if (out.file_mode) *out.file_mode &= 07777U;
}

// An object in the file: the name on the host -> what becomes of the device.
void read_value(Cursor cursor, std::vector<NetDevice>& out) {
  ObjectReader devices(cursor);
  devices.each([&](Cursor host_name, Cursor value) {
    auto& device = out.emplace_back();
    read_value(host_name, device.host_name);
    ObjectReader object(value);
    object.optional("name", device.name);
  });
}

void read_value(Cursor cursor, IntelRdt& out) {
  ObjectReader object(cursor);
  object.optional("closID", out.clos_id);
  object.optional("schemata", out.schemata);
  object.optional("l3CacheSchema", out.l3_cache_schema);
  object.optional("memBwSchema", out.mem_bw_schema);
  object.optional("enableMonitoring", out.enable_monitoring);
}

void read_value(Cursor cursor, MemoryPolicy& out) {
  ObjectReader object(cursor);
  object.required("mode", out.mode);
  object.optional("nodes", out.nodes);
  object.optional("flags", out.flags);
}

void read_value(Cursor cursor, Personality& out) {
  ObjectReader object(cursor);
  object.required("domain", out.domain);
  object.optional("flags", out.flags);
}

}  // namespace corten::spec
