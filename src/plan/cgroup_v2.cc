// Control files of cgroup v2. A v1 setting without an equivalent is an error, unless its value is
// what v2 does anyway: engines send those by habit. Spec: config-linux.md "Unified"; kernel:
// Documentation/admin-guide/cgroup-v2.rst.
#include <algorithm>
#include <cmath>
#include <optional>

#include "builders.h"
#include "resources.h"
#include <corten/base/strings.h>

namespace corten::plan::v2 {
namespace {

Error only_v1(const ResourceWrites& out, std::string_view property) {
  return unsupported(out.pointer(property),
                     "exists only in cgroup v1 and this host uses cgroup v2; remove it or use "
                     "'unified'");
}

// swap counts memory and swap together in the specification, and swap alone in v2.
// Returns nullopt when there is nothing to write.
Result<std::optional<std::string>> swap_max(const spec::Memory& memory, const ResourceWrites& out) {
  const auto limit = memory.limit.value_or(0);
  const auto swap = memory.swap.value_or(0);
  if (swap == 0) return limit == -1 ? std::optional<std::string>("max") : std::nullopt;
  if (swap == -1 || limit == -1) return std::optional<std::string>("max");
  if (limit == 0) {
    return Error::spec(out.pointer("/memory/swap"),
                       "memory and swap together cannot be limited without a memory limit in "
                       "cgroup v2; set 'limit' too");
  }
  if (swap < limit) {
    return Error::spec(out.pointer("/memory/swap"),
                       "memory and swap together is less than the memory limit");
  }
  return std::optional<std::string>(std::to_string(swap - limit));
}

Result<> refuse_v1_memory(const spec::Memory& memory, const ResourceWrites& out) {
  // -1 is no limit, which is the case anyway.
  if (memory.kernel.value_or(0) > 0) return only_v1(out, "/memory/kernel");
  if (memory.kernel_tcp.value_or(0) > 0) return only_v1(out, "/memory/kernelTCP");
  if (memory.swappiness) return only_v1(out, "/memory/swappiness");
  if (memory.disable_oom_killer.value_or(false)) return only_v1(out, "/memory/disableOOMKiller");
  if (memory.use_hierarchy && !*memory.use_hierarchy) return only_v1(out, "/memory/useHierarchy");
  return {};
}

void add_throttle(const std::vector<spec::ThrottleDevice>& devices,
                  std::string_view key,
                  std::string_view property,
                  ResourceWrites& out) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const auto& one = devices[i];
    // v1 takes 0 as "no limit", v2 refuses it.
    const auto rate = one.rate == 0 ? std::string("max") : std::to_string(one.rate);
    out.add("io",
            "io.max",
            device_number(one.major, one.minor) + " " + std::string(key) + "=" + rate,
            pointer_at(property, i));
  }
}

// The weight belongs to whichever scheduler or controller the kernel has: BFQ, or io.cost.
void add_io_weight(const std::string& device,
                   uint64_t weight,
                   std::string_view property,
                   ResourceWrites& out) {
  auto& write = out.add("io", "io.bfq.weight", device + std::to_string(weight), property);
  write.fallback_file = "io.weight";
  write.fallback_value = device + std::to_string(io_weight_from_blkio(weight));
}

Result<> add_weight_device(const spec::WeightDevice& device,
                           std::size_t index,
                           ResourceWrites& out) {
  const auto property = pointer_at("/blockIO/weightDevice", index);
  if (device.leaf_weight.value_or(0) != 0) return only_v1(out, property + "/leafWeight");
  if (device.weight.value_or(0) == 0) return {};
  add_io_weight(
      device_number(device.major, device.minor) + " ", *device.weight, property + "/weight", out);
  return {};
}

// The controller that owns a file, "cgroup" for files that every cgroup has.
std::string_view controller_of_file(std::string_view file) {
  if (file.ends_with(".pressure")) return "cgroup";
  return file.substr(0, file.find('.'));
}

Result<> check_unified_name(std::string_view file, const std::string& pointer) {
  const bool plain = file.find('/') == std::string_view::npos &&
                     file.find('\0') == std::string_view::npos && !file.starts_with('.') &&
                     file.find('.') != std::string_view::npos;
  if (!plain) return Error::spec(pointer, "not the name of a cgroup file: " + quote(file));
  if (file == "cgroup.procs" || file == "cgroup.threads" || file == "cgroup.kill") {
    return Error::spec(pointer, quote(file) + " is no setting: it moves or kills processes");
  }
  return {};
}

Result<> check_unified_controller(std::string_view controller,
                                  const std::string& pointer,
                                  const CgroupFacts& facts) {
  if (facts.v2.empty()) {
    return unsupported(pointer, "needs cgroup v2, which is not mounted on this host");
  }
  if (controller == "cgroup" || facts.has_v2(controller)) return {};
  const auto where = facts.find_v1(controller) != nullptr
                         ? " is used by cgroup v1 on this host; use the v1 property or move it to "
                           "cgroup v2"
                         : " is not available in cgroup v2 on this host; enable it or remove the "
                           "property";
  return unsupported(pointer, "the cgroup controller " + quote(controller) + where);
}

}  // namespace

uint64_t weight_from_shares(uint64_t shares) {
  constexpr uint64_t kMinShares = 2;
  constexpr uint64_t kMaxShares = 262144;
  if (shares <= kMinShares) return 1;
  if (shares >= kMaxShares) return 10000;
  const double l = std::log2(static_cast<double>(shares));
  const double weight = std::pow(10.0, (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0);
  // The default (1024) is exactly 100 on paper; rounding errors must not lift it to 101.
  return static_cast<uint64_t>(std::ceil(weight - 1e-9));
}

uint64_t io_weight_from_blkio(uint64_t weight) {
  if (weight <= 10) return 1;
  return std::min<uint64_t>(1 + (weight - 10) * 9999 / 990, 10000);
}

Result<> add_memory(const spec::Memory& memory, ResourceWrites& out) {
  TRY(refuse_v1_memory(memory, out));
  if (const auto swap = TRY(swap_max(memory, out))) {
    // Without swap accounting there is no file, and no swap to limit or to lift.
    out.add("memory", "memory.swap.max", *swap, "/memory/swap").optional =
        *swap == "max" || *swap == "0";
  }
  if (memory.limit.value_or(0) != 0) {
    auto& write = out.add("memory", "memory.max", v2_limit(*memory.limit), "/memory/limit");
    if (memory.check_before_update.value_or(false) && *memory.limit > 0) {
      write.usage_file = "memory.current";
    }
  }
  if (memory.reservation.value_or(0) != 0) {
    out.add("memory", "memory.low", v2_limit(*memory.reservation), "/memory/reservation");
  }
  return {};
}

Result<> add_cpu(const spec::Cpu& cpu, ResourceWrites& out) {
  if (cpu.realtime_runtime.value_or(0) != 0) return only_v1(out, "/cpu/realtimeRuntime");
  if (cpu.realtime_period.value_or(0) != 0) return only_v1(out, "/cpu/realtimePeriod");
  // The kernel refuses a weight for an idle group, so idleness goes first.
  if (cpu.idle) {
    out.add("cpu", "cpu.idle", std::to_string(*cpu.idle), "/cpu/idle").optional = *cpu.idle == 0;
  }
  const bool idle = cpu.idle.value_or(0) != 0;
  if (cpu.shares.value_or(0) != 0 && !idle) {
    out.add("cpu", "cpu.weight", std::to_string(weight_from_shares(*cpu.shares)), "/cpu/shares");
  }
  // burst may not exceed the quota: when an update raises both, the second attempt succeeds.
  if (cpu.burst) {
    auto& write = out.add("cpu", "cpu.max.burst", std::to_string(*cpu.burst), "/cpu/burst");
    write.retry = true;
    write.optional = *cpu.burst == 0;
  }
  const auto quota = cpu.quota.value_or(0);
  const auto period = cpu.period.value_or(0);
  if (quota != 0 || period != 0) {
    auto value = quota > 0 ? std::to_string(quota) : std::string("max");
    if (period != 0) value += " " + std::to_string(period);  // else the kernel keeps the period
    out.add("cpu", "cpu.max", std::move(value), quota != 0 ? "/cpu/quota" : "/cpu/period").retry =
        true;
  }
  return {};
}

Result<> add_block_io(const spec::BlockIo& block_io, ResourceWrites& out) {
  if (block_io.leaf_weight.value_or(0) != 0) return only_v1(out, "/blockIO/leafWeight");
  if (block_io.weight.value_or(0) != 0) {
    add_io_weight("", *block_io.weight, "/blockIO/weight", out);
  }
  for (std::size_t i = 0; i < block_io.weight_device.size(); ++i) {
    TRY(add_weight_device(block_io.weight_device[i], i, out));
  }
  add_throttle(block_io.throttle_read_bps_device, "rbps", "/blockIO/throttleReadBpsDevice", out);
  add_throttle(block_io.throttle_write_bps_device, "wbps", "/blockIO/throttleWriteBpsDevice", out);
  add_throttle(block_io.throttle_read_iops_device, "riops", "/blockIO/throttleReadIOPSDevice", out);
  add_throttle(
      block_io.throttle_write_iops_device, "wiops", "/blockIO/throttleWriteIOPSDevice", out);
  return {};
}

void add_hugepages(const spec::HugepageLimit& limit, std::size_t index, ResourceWrites& out) {
  const auto property = pointer_at("/hugepageLimits", index);
  const auto prefix = "hugetlb." + limit.page_size + ".";
  const auto value = std::to_string(limit.limit);
  out.add("hugetlb", prefix + "max", value, property);
  out.add("hugetlb", prefix + "rsvd.max", value, property).optional = true;
}

Result<> add_unified(const spec::Resources& resources, ResourceWrites& out) {
  for (const auto& [file, value] : resources.unified) {
    const auto property = "/unified/" + pointer_token(file);
    const auto pointer = out.pointer(property);
    TRY(check_unified_name(file, pointer));
    const auto controller = controller_of_file(file);
    TRY(check_unified_controller(controller, pointer, out.facts));
    // The kernel takes one line a write (io.max of several devices).
    bool written = false;
    for (const auto line : split(value, '\n')) {
      if (trim(line).empty()) continue;
      out.add(controller, file, std::string(line), property);
      written = true;
    }
    // An empty list (cpuset.cpus) still has to reach the kernel, which sees no write of zero bytes.
    if (!written) out.add(controller, file, "\n", property);
  }
  return {};
}

}  // namespace corten::plan::v2
