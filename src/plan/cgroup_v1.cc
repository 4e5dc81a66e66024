// Control files of cgroup v1.
// Kernel: Documentation/admin-guide/cgroup-v1.
#include "builders.h"
#include "resources.h"

namespace corten::plan::v1 {
namespace {

void add_limits(const spec::Memory& memory, ResourceWrites& out) {
  const auto limit = memory.limit.value_or(0);
  auto swap = memory.swap.value_or(0);
  // memory.limit_in_bytes may not exceed memory.memsw.limit_in_bytes: at creation the first order
  // works, when an update raises both the second one does. An unlimited memory wants unlimited
  // swap.
  if (limit == -1 && swap == 0) swap = -1;
  if (limit != 0) {
    out.add("memory", "memory.limit_in_bytes", v1_limit(limit), "/memory/limit").retry = swap != 0;
  }
  if (swap != 0) {
    auto& write = out.add("memory", "memory.memsw.limit_in_bytes", v1_limit(swap), "/memory/swap");
    write.retry = true;
    write.optional = swap == -1;  // without swap accounting there is no limit to lift
  }
}

void add_throttle(const std::vector<spec::ThrottleDevice>& devices,
                  std::string_view file,
                  std::string_view property,
                  ResourceWrites& out) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const auto& one = devices[i];
    out.add("blkio",
            file,
            device_number(one.major, one.minor) + " " + std::to_string(one.rate),
            pointer_at(property, i));
  }
}

void add_weight_device(const spec::WeightDevice& device, std::size_t index, ResourceWrites& out) {
  const auto number = device_number(device.major, device.minor) + " ";
  const auto property = pointer_at("/blockIO/weightDevice", index);
  if (device.weight.value_or(0) != 0) {
    auto& write = out.add("blkio",
                          "blkio.weight_device",
                          number + std::to_string(*device.weight),
                          property + "/weight");
    write.fallback_file = "blkio.bfq.weight_device";
    write.fallback_value = write.value;
  }
  if (device.leaf_weight.value_or(0) != 0) {
    out.add("blkio",
            "blkio.leaf_weight_device",
            number + std::to_string(*device.leaf_weight),
            property + "/leafWeight");
  }
}

}  // namespace

void add_memory(const spec::Memory& memory, ResourceWrites& out) {
  if (memory.use_hierarchy) {
    out.add("memory",
            "memory.use_hierarchy",
            *memory.use_hierarchy ? "1" : "0",
            "/memory/useHierarchy");
  }
  add_limits(memory, out);
  const auto add_limit =
      [&](const std::optional<int64_t>& value, std::string_view file, std::string_view property) {
        if (value.value_or(0) != 0) out.add("memory", file, v1_limit(*value), property);
      };
  add_limit(memory.reservation, "memory.soft_limit_in_bytes", "/memory/reservation");
  add_limit(memory.kernel, "memory.kmem.limit_in_bytes", "/memory/kernel");
  add_limit(memory.kernel_tcp, "memory.kmem.tcp.limit_in_bytes", "/memory/kernelTCP");
  if (memory.swappiness) {
    out.add(
        "memory", "memory.swappiness", std::to_string(*memory.swappiness), "/memory/swappiness");
  }
  if (memory.disable_oom_killer) {
    out.add("memory",
            "memory.oom_control",
            *memory.disable_oom_killer ? "1" : "0",
            "/memory/disableOOMKiller")
        .optional = !*memory.disable_oom_killer;
  }
}

void add_cpu(const spec::Cpu& cpu, ResourceWrites& out) {
  // The kernel refuses shares for an idle group, so idleness goes first.
  if (cpu.idle) {
    out.add("cpu", "cpu.idle", std::to_string(*cpu.idle), "/cpu/idle").optional = *cpu.idle == 0;
  }
  const bool idle = cpu.idle.value_or(0) != 0;
  if (cpu.shares.value_or(0) != 0 && !idle) {
    out.add("cpu", "cpu.shares", std::to_string(*cpu.shares), "/cpu/shares");
  }
  // These three bound each other, and those of the parent: whatever is refused at first is tried
  // again when the others have their new values.
  if (cpu.period.value_or(0) != 0) {
    out.add("cpu", "cpu.cfs_period_us", std::to_string(*cpu.period), "/cpu/period").retry = true;
  }
  if (cpu.burst) {
    auto& write = out.add("cpu", "cpu.cfs_burst_us", std::to_string(*cpu.burst), "/cpu/burst");
    write.retry = true;
    write.optional = *cpu.burst == 0;
  }
  if (cpu.quota.value_or(0) != 0) {
    out.add("cpu", "cpu.cfs_quota_us", v1_limit(*cpu.quota), "/cpu/quota").retry = true;
  }
  if (cpu.realtime_period.value_or(0) != 0) {
    out.add("cpu", "cpu.rt_period_us", std::to_string(*cpu.realtime_period), "/cpu/realtimePeriod")
        .retry = true;
  }
  if (cpu.realtime_runtime.value_or(0) != 0) {
    out.add("cpu", "cpu.rt_runtime_us", v1_limit(*cpu.realtime_runtime), "/cpu/realtimeRuntime")
        .retry = true;
  }
}

void add_block_io(const spec::BlockIo& block_io, ResourceWrites& out) {
  if (block_io.weight.value_or(0) != 0) {
    auto& write =
        out.add("blkio", "blkio.weight", std::to_string(*block_io.weight), "/blockIO/weight");
    write.fallback_file = "blkio.bfq.weight";
    write.fallback_value = write.value;
  }
  if (block_io.leaf_weight.value_or(0) != 0) {
    out.add(
        "blkio", "blkio.leaf_weight", std::to_string(*block_io.leaf_weight), "/blockIO/leafWeight");
  }
  for (std::size_t i = 0; i < block_io.weight_device.size(); ++i) {
    add_weight_device(block_io.weight_device[i], i, out);
  }
  add_throttle(block_io.throttle_read_bps_device,
               "blkio.throttle.read_bps_device",
               "/blockIO/throttleReadBpsDevice",
               out);
  add_throttle(block_io.throttle_write_bps_device,
               "blkio.throttle.write_bps_device",
               "/blockIO/throttleWriteBpsDevice",
               out);
  add_throttle(block_io.throttle_read_iops_device,
               "blkio.throttle.read_iops_device",
               "/blockIO/throttleReadIOPSDevice",
               out);
  add_throttle(block_io.throttle_write_iops_device,
               "blkio.throttle.write_iops_device",
               "/blockIO/throttleWriteIOPSDevice",
               out);
}

void add_hugepages(const spec::HugepageLimit& limit, std::size_t index, ResourceWrites& out) {
  const auto property = pointer_at("/hugepageLimits", index);
  const auto prefix = "hugetlb." + limit.page_size + ".";
  const auto value = std::to_string(limit.limit);
  out.add("hugetlb", prefix + "limit_in_bytes", value, property);
  out.add("hugetlb", prefix + "rsvd.limit_in_bytes", value, property).optional = true;
}

}  // namespace corten::plan::v1
