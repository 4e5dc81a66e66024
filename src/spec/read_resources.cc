// config-linux.md "Control groups". Zeros are kept as they are: plan::build knows which mean
// "unset".
#include "read.h"

namespace corten::spec {

void read_value(Cursor cursor, Resources& out) {
  ObjectReader object(cursor);
  object.optional("devices", out.devices);
  object.optional("memory", out.memory);
  object.optional("cpu", out.cpu);
  object.optional("pids", out.pids);
  object.optional("blockIO", out.block_io);
  object.optional("hugepageLimits", out.hugepage_limits);
  object.optional("network", out.network);
  object.optional("rdma", out.rdma);
  object.optional("unified", out.unified);
}

void read_value(Cursor cursor, DeviceRule& out) {
  ObjectReader object(cursor);
  object.required("allow", out.allow);
  object.optional("type", out.type);
  object.optional("major", out.major);
  object.optional("minor", out.minor);
  object.optional("access", out.access);
  if (out.type.empty()) out.type.push_back('a');
}

void read_value(Cursor cursor, Memory& out) {
  ObjectReader object(cursor);
  object.optional("limit", out.limit);
  object.optional("reservation", out.reservation);
  object.optional("swap", out.swap);
  object.optional("kernel", out.kernel);
  object.optional("kernelTCP", out.kernel_tcp);
  object.optional("swappiness", out.swappiness);
  object.optional("disableOOMKiller", out.disable_oom_killer);
  object.optional("useHierarchy", out.use_hierarchy);
  object.optional("checkBeforeUpdate", out.check_before_update);
}

void read_value(Cursor cursor, Cpu& out) {
  ObjectReader object(cursor);
  object.optional("shares", out.shares);
  object.optional("quota", out.quota);
  object.optional("burst", out.burst);
  object.optional("period", out.period);
  object.optional("realtimeRuntime", out.realtime_runtime);
  object.optional("realtimePeriod", out.realtime_period);
  object.optional("cpus", out.cpus);
  object.optional("mems", out.mems);
  object.optional("idle", out.idle);
}

void read_value(Cursor cursor, Pids& out) {
  ObjectReader object(cursor);
  object.optional("limit", out.limit);
}

void read_value(Cursor cursor, BlockIo& out) {
  ObjectReader object(cursor);
  object.optional("weight", out.weight);
  object.optional("leafWeight", out.leaf_weight);
  object.optional("weightDevice", out.weight_device);
  object.optional("throttleReadBpsDevice", out.throttle_read_bps_device);
  object.optional("throttleWriteBpsDevice", out.throttle_write_bps_device);
  object.optional("throttleReadIOPSDevice", out.throttle_read_iops_device);
  object.optional("throttleWriteIOPSDevice", out.throttle_write_iops_device);
}

void read_value(Cursor cursor, WeightDevice& out) {
  ObjectReader object(cursor);
  object.required("major", out.major);
  object.required("minor", out.minor);
  object.optional("weight", out.weight);
  object.optional("leafWeight", out.leaf_weight);
}

void read_value(Cursor cursor, ThrottleDevice& out) {
  ObjectReader object(cursor);
  object.required("major", out.major);
  object.required("minor", out.minor);
  object.required("rate", out.rate);
}

void read_value(Cursor cursor, HugepageLimit& out) {
  ObjectReader object(cursor);
  object.required("pageSize", out.page_size);
  object.required("limit", out.limit);
}

void read_value(Cursor cursor, NetworkResources& out) {
  ObjectReader object(cursor);
  object.optional("classID", out.class_id);
  object.optional("priorities", out.priorities);
}

void read_value(Cursor cursor, InterfacePriority& out) {
  ObjectReader object(cursor);
  object.required("name", out.name);
  object.required("priority", out.priority);
}

// An object in the file: the device's name -> its limits.
void read_value(Cursor cursor, std::vector<Rdma>& out) {
  ObjectReader devices(cursor);
  devices.each([&](Cursor device, Cursor value) {
    auto& limits = out.emplace_back();
    read_value(device, limits.device);
    ObjectReader object(value);
    object.optional("hcaHandles", limits.hca_handles);
    object.optional("hcaObjects", limits.hca_objects);
  });
}

}  // namespace corten::spec
