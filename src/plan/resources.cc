// linux.resources: which controllers are needed, and whether this host has each of them, in which
// version. A hybrid host may have memory in v1 and hugetlb in v2.
// Spec: config-linux.md "Control groups".
#include "resources.h"

#include <algorithm>
#include <cctype>

#include "builders.h"
#include <corten/base/strings.h>

namespace corten::plan {
namespace {

enum class Version : uint8_t { V1, V2 };

Result<Version> need(std::string_view controller,
                     std::string_view v2_name,
                     const ResourceWrites& out,
                     std::string_view property) {
  if (out.facts.find_v1(controller) != nullptr) return Version::V1;
  if (!v2_name.empty() && out.facts.has_v2(v2_name)) return Version::V2;
  std::string names = quote(controller);
  if (!v2_name.empty() && v2_name != controller) names += " (cgroup v1) or " + quote(v2_name);
  const bool only_v1 = v2_name.empty();
  return unsupported(out.pointer(property),
                     "needs the cgroup controller " + names +
                         (only_v1 ? ", which exists only in cgroup v1 and is not mounted on this "
                                    "host; mount it or remove the property"
                                  : ", which this host has neither in cgroup v1 nor in cgroup v2; "
                                    "enable it or remove the property"));
}

bool given(const std::optional<int64_t>& value) { return value.value_or(0) != 0; }
bool given(const std::optional<uint64_t>& value) { return value.value_or(0) != 0; }
bool given(const std::optional<uint16_t>& value) { return value.value_or(0) != 0; }

// Whether anything asks for the controller; false and 0 are what engines send for "nothing".
bool wants_memory(const spec::Memory& memory) {
  return given(memory.limit) || given(memory.reservation) || given(memory.swap) ||
         given(memory.kernel) || given(memory.kernel_tcp) || memory.swappiness.has_value() ||
         memory.disable_oom_killer.value_or(false) || memory.use_hierarchy.has_value();
}

bool wants_cpu(const spec::Cpu& cpu) {
  return given(cpu.shares) || given(cpu.quota) || given(cpu.burst) || given(cpu.period) ||
         given(cpu.realtime_runtime) || given(cpu.realtime_period) || given(cpu.idle);
}

bool wants_block_io(const spec::BlockIo& block_io) {
  return given(block_io.weight) || given(block_io.leaf_weight) || !block_io.weight_device.empty() ||
         !block_io.throttle_read_bps_device.empty() ||
         !block_io.throttle_write_bps_device.empty() ||
         !block_io.throttle_read_iops_device.empty() ||
         !block_io.throttle_write_iops_device.empty();
}

Result<> add_memory(const spec::Memory& memory, ResourceWrites& out) {
  // A limit that is only lifted needs no controller.
  if (!wants_memory(memory)) {
    if (!memory.disable_oom_killer || out.facts.find_v1("memory") == nullptr) return {};
  }
  const auto version = TRY(need("memory", "memory", out, "/memory"));
  if (version == Version::V2) return v2::add_memory(memory, out);
  v1::add_memory(memory, out);
  return {};
}

Result<> add_cpu(const spec::Cpu& cpu, ResourceWrites& out) {
  const bool touched = cpu.burst.has_value() || cpu.idle.has_value();
  const bool present = out.facts.find_v1("cpu") != nullptr || out.facts.has_v2("cpu");
  if (!wants_cpu(cpu) && !(touched && present)) return {};
  const auto version = TRY(need("cpu", "cpu", out, "/cpu"));
  if (version == Version::V2) return v2::add_cpu(cpu, out);
  v1::add_cpu(cpu, out);
  return {};
}

Result<> add_cpuset(const spec::Cpu& cpu, ResourceWrites& out) {
  const auto add =
      [&](const std::string& list, std::string_view file, std::string_view property) -> Result<> {
    if (list.empty()) return {};
    (void)TRY(need("cpuset", "cpuset", out, property));  // the same file in both versions
    out.add("cpuset", file, list, property);
    return {};
  };
  TRY(add(cpu.cpus, "cpuset.cpus", "/cpu/cpus"));
  return add(cpu.mems, "cpuset.mems", "/cpu/mems");
}

Result<> add_pids(const spec::Pids& pids, ResourceWrites& out) {
  if (!pids.limit) return {};
  if (*pids.limit < 0 && out.facts.find_v1("pids") == nullptr && !out.facts.has_v2("pids")) {
    return {};
  }
  TRY(need("pids", "pids", out, "/pids/limit"));
  out.add("pids", "pids.max", v2_limit(*pids.limit), "/pids/limit");  // the same in both versions
  return {};
}

Result<> add_block_io(const spec::BlockIo& block_io, ResourceWrites& out) {
  if (!wants_block_io(block_io)) return {};
  const auto version = TRY(need("blkio", "io", out, "/blockIO"));
  if (version == Version::V2) return v2::add_block_io(block_io, out);
  v1::add_block_io(block_io, out);
  return {};
}

Result<> add_hugepages(const std::vector<spec::HugepageLimit>& limits, ResourceWrites& out) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const auto property = pointer_at("/hugepageLimits", i);
    const auto& size = limits[i].page_size;
    // The size becomes part of a file name.
    const bool plain = !size.empty() && std::all_of(size.begin(), size.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    });
    if (!plain) {
      return Error::spec(out.pointer(property) + "/pageSize", "not a page size: " + quote(size));
    }
    const auto version = TRY(need("hugetlb", "hugetlb", out, property));
    if (version == Version::V2) {
      v2::add_hugepages(limits[i], i, out);
    } else {
      v1::add_hugepages(limits[i], i, out);
    }
  }
  return {};
}

Result<> add_network(const spec::NetworkResources& network, ResourceWrites& out) {
  if (network.class_id.value_or(0) != 0) {
    TRY(need("net_cls", "", out, "/network/classID"));
    out.add("net_cls", "net_cls.classid", std::to_string(*network.class_id), "/network/classID");
  }
  for (std::size_t i = 0; i < network.priorities.size(); ++i) {
    const auto property = pointer_at("/network/priorities", i);
    const auto& one = network.priorities[i];
    TRY(need("net_prio", "", out, property));
    out.add(
        "net_prio", "net_prio.ifpriomap", one.name + " " + std::to_string(one.priority), property);
  }
  return {};
}

Result<> add_rdma(const std::vector<spec::Rdma>& devices, ResourceWrites& out) {
  for (const auto& one : devices) {
    const auto property = "/rdma/" + pointer_token(one.device);
    TRY(need("rdma", "rdma", out, property));
    std::string value = one.device;
    if (one.hca_handles) value += " hca_handle=" + std::to_string(*one.hca_handles);
    if (one.hca_objects) value += " hca_object=" + std::to_string(*one.hca_objects);
    out.add("rdma", "rdma.max", std::move(value), property);
  }
  return {};
}

}  // namespace

std::string v1_limit(int64_t value) { return std::to_string(value); }

std::string v2_limit(int64_t value) { return value < 0 ? "max" : std::to_string(value); }

std::string device_number(int64_t major, int64_t minor) {
  return std::to_string(major) + ":" + std::to_string(minor);
}

CgroupWrite& ResourceWrites::add(std::string_view controller,
                                 std::string_view file,
                                 std::string value,
                                 std::string_view property) {
  CgroupWrite write;
  write.controller = controller;
  write.file = file;
  write.value = std::move(value);
  write.pointer = pointer(property);
  return writes.emplace_back(std::move(write));
}

Result<std::vector<CgroupWrite>> build_cgroup_writes(const spec::Resources& resources,
                                                     const CgroupFacts& facts) {
  ResourceWrites out{.facts = facts, .base = "/linux/resources", .writes = {}};
  if (resources.cpu) {
    // Memory nodes first: memory that is charged before would have to be moved.
    TRY(add_cpuset(*resources.cpu, out));
    TRY(add_cpu(*resources.cpu, out));
  }
  if (resources.memory) TRY(add_memory(*resources.memory, out));
  if (resources.pids) TRY(add_pids(*resources.pids, out));
  if (resources.block_io) TRY(add_block_io(*resources.block_io, out));
  TRY(add_hugepages(resources.hugepage_limits, out));
  if (resources.network) TRY(add_network(*resources.network, out));
  TRY(add_rdma(resources.rdma, out));
  TRY(v2::add_unified(resources, out));  // last: it names the kernel's own files, so it wins
  return std::move(out.writes);
}

}  // namespace corten::plan
