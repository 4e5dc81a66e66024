// Rules of config-linux.md "Control groups". 0 counts as unset where engines send it by habit.
#include <algorithm>

#include "rules.h"
#include <corten/spec/names.h>

namespace corten::spec {

namespace {

constexpr int64_t kMaxDeviceNumber = 4294967295;

void rule_types(const Resources& resources, const Report& report) {
  const Path list = report.at / "devices";
  for (std::size_t i = 0; i < resources.devices.size(); ++i) {
    const std::string& type = resources.devices[i].type;
    if (type == "a" || type == "c" || type == "b") continue;
    const Path entry = list / i;
    report.expected(entry / "type", "one of a, c, b", type);
  }
}

// -1 = any.
void rule_numbers(const Resources& resources, const Report& report) {
  const Path list = report.at / "devices";
  const auto check = [&](const std::optional<int64_t>& number, const Path& path) {
    if (number && (*number < -1 || *number > kMaxDeviceNumber)) {
      report.expected(path, "an integer from -1 to 4294967295", *number);
    }
  };
  for (std::size_t i = 0; i < resources.devices.size(); ++i) {
    const Path entry = list / i;
    check(resources.devices[i].major, entry / "major");
    check(resources.devices[i].minor, entry / "minor");
  }
}

void rule_access(const Resources& resources, const Report& report) {
  const Path list = report.at / "devices";
  for (std::size_t i = 0; i < resources.devices.size(); ++i) {
    const std::string& access = resources.devices[i].access;
    if (access.find_first_not_of("rwm") == std::string::npos) continue;
    const Path entry = list / i;
    report.expected(entry / "access", "letters of rwm", access);
  }
}

void limit_or_unlimited(const std::optional<int64_t>& value,
                        const Path& path,
                        const Report& report) {
  if (value && *value < -1) report.expected(path, "-1 for no limit, or more", *value);
}

void memory_limits(const Resources& resources, const Report& report) {
  if (!resources.memory) return;
  const Memory& memory = *resources.memory;
  const Path path = report.at / "memory";
  limit_or_unlimited(memory.limit, path / "limit", report);
  limit_or_unlimited(memory.reservation, path / "reservation", report);
  limit_or_unlimited(memory.swap, path / "swap", report);
  limit_or_unlimited(memory.kernel, path / "kernel", report);
  limit_or_unlimited(memory.kernel_tcp, path / "kernelTCP", report);
}

void memory_swappiness(const Resources& resources, const Report& report) {
  if (!resources.memory || !resources.memory->swappiness) return;
  const Path path = report.at / "memory";
  if (*resources.memory->swappiness > 100) {
    report.expected(path / "swappiness", "an integer from 0 to 100", *resources.memory->swappiness);
  }
}

void memory_swap_includes_limit(const Resources& resources, const Report& report) {
  if (!resources.memory) return;
  const int64_t limit = resources.memory->limit.value_or(0);
  const int64_t swap = resources.memory->swap.value_or(0);
  const Path path = report.at / "memory";
  if (limit > 0 && swap > 0 && swap < limit) {
    report.expected(path / "swap",
                    "memory and swap together, so at least limit, " + std::to_string(limit),
                    swap);
  }
}

void cpu_quota(const Resources& resources, const Report& report) {
  if (!resources.cpu) return;
  const Path path = report.at / "cpu";
  limit_or_unlimited(resources.cpu->quota, path / "quota", report);
  limit_or_unlimited(resources.cpu->realtime_runtime, path / "realtimeRuntime", report);
}

// LX-039, LX-040.
void cpu_burst(const Resources& resources, const Report& report) {
  if (!resources.cpu || !resources.cpu->burst) return;
  const int64_t quota = resources.cpu->quota.value_or(0);
  const Path path = report.at / "cpu";
  if (quota > 0 && *resources.cpu->burst > static_cast<uint64_t>(quota)) {
    report.expected(
        path / "burst", "at most quota, " + std::to_string(quota), *resources.cpu->burst);
  }
}

void cpu_idle(const Resources& resources, const Report& report) {
  if (!resources.cpu || !resources.cpu->idle) return;
  const int64_t idle = *resources.cpu->idle;
  const Path path = report.at / "cpu";
  if (idle != 0 && idle != 1) report.expected(path / "idle", "0 or 1", idle);
}

// cpuset(7) "List format", also with strides ("0-31:2/16") and blanks, which the kernel takes.
void cpu_sets(const Resources& resources, const Report& report) {
  constexpr std::string_view kAllowed = "0123456789,-:/ \n";
  if (!resources.cpu) return;
  const Path path = report.at / "cpu";
  const auto check = [&](std::string_view list, const Path& where) {
    if (list.find_first_not_of(kAllowed) != std::string_view::npos) {
      report.expected(where, "a list like 0-3,7", list);
    }
  };
  check(resources.cpu->cpus, path / "cpus");
  check(resources.cpu->mems, path / "mems");
}

void pids_limit(const Resources& resources, const Report& report) {
  if (!resources.pids) return;
  const Path path = report.at / "pids";
  limit_or_unlimited(resources.pids->limit, path / "limit", report);
}

void check_weight(const std::optional<uint16_t>& weight, const Path& path, const Report& report) {
  if (weight && *weight != 0 && (*weight < 10 || *weight > 1000)) {
    report.expected(path, "0 for unset, or an integer from 10 to 1000", *weight);
  }
}

void block_io_weights(const Resources& resources, const Report& report) {
  if (!resources.block_io) return;
  const Path path = report.at / "blockIO";
  check_weight(resources.block_io->weight, path / "weight", report);
  check_weight(resources.block_io->leaf_weight, path / "leafWeight", report);
  const Path list = path / "weightDevice";
  for (std::size_t i = 0; i < resources.block_io->weight_device.size(); ++i) {
    const Path entry = list / i;
    check_weight(resources.block_io->weight_device[i].weight, entry / "weight", report);
    check_weight(resources.block_io->weight_device[i].leaf_weight, entry / "leafWeight", report);
  }
}

// LX-041.
void weight_device_has_weight(const Resources& resources, const Report& report) {
  if (!resources.block_io) return;
  const Path path = report.at / "blockIO";
  const Path list = path / "weightDevice";
  for (std::size_t i = 0; i < resources.block_io->weight_device.size(); ++i) {
    const WeightDevice& device = resources.block_io->weight_device[i];
    if (!device.weight && !device.leaf_weight) {
      report.broken(list / i, "expected weight, leafWeight or both");
    }
  }
}

template <typename Devices>
void check_numbers(const Devices& devices, const Path& list, const Report& report) {
  const auto check = [&](int64_t number, const Path& path) {
    if (number < 0 || number > kMaxDeviceNumber) {
      report.expected(path, "an integer from 0 to 4294967295", number);
    }
  };
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Path entry = list / i;
    check(devices[i].major, entry / "major");
    check(devices[i].minor, entry / "minor");
  }
}

void block_io_numbers(const Resources& resources, const Report& report) {
  if (!resources.block_io) return;
  const BlockIo& io = *resources.block_io;
  const Path path = report.at / "blockIO";
  check_numbers(io.weight_device, path / "weightDevice", report);
  check_numbers(io.throttle_read_bps_device, path / "throttleReadBpsDevice", report);
  check_numbers(io.throttle_write_bps_device, path / "throttleWriteBpsDevice", report);
  check_numbers(io.throttle_read_iops_device, path / "throttleReadIOPSDevice", report);
  check_numbers(io.throttle_write_iops_device, path / "throttleWriteIOPSDevice", report);
}

// config-linux.md "Huge page limits": <size><unit-prefix>B.
bool is_page_size(std::string_view text) {
  const auto digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || text.front() == '0') return false;
  const auto unit = text.substr(digits);
  return unit == "KB" || unit == "MB" || unit == "GB";
}

void hugepage_sizes(const Resources& resources, const Report& report) {
  const Path list = report.at / "hugepageLimits";
  for (std::size_t i = 0; i < resources.hugepage_limits.size(); ++i) {
    const std::string& size = resources.hugepage_limits[i].page_size;
    if (is_page_size(size)) continue;
    const Path entry = list / i;
    report.expected(entry / "pageSize", "a size like 64KB, 2MB or 1GB", size);
  }
}

// One line "name priority" is written for each.
bool is_plain_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<uint8_t>(c) > ' ' && c != 0x7f;
  });
}

void network_priorities(const Resources& resources, const Report& report) {
  if (!resources.network) return;
  const Path path = report.at / "network";
  const Path list = path / "priorities";
  for (std::size_t i = 0; i < resources.network->priorities.size(); ++i) {
    const std::string& name = resources.network->priorities[i].name;
    if (is_plain_word(name)) continue;
    const Path entry = list / i;
    report.expected(entry / "name", "the name of a network device", name);
  }
}

// LX-043.
void rdma_limits(const Resources& resources, const Report& report) {
  const Path list = report.at / "rdma";
  for (const auto& one : resources.rdma) {
    const Path entry = list / one.device;
    if (!is_plain_word(one.device))
      report.expected(entry, "the name of an RDMA device", one.device);
    if (!one.hca_handles && !one.hca_objects) {
      report.broken(entry, "expected hcaHandles, hcaObjects or both");
    }
  }
}

// The key is a file in the container's cgroup, never a path that leads elsewhere.
void unified_files(const Resources& resources, const Report& report) {
  const Path list = report.at / "unified";
  for (const auto& [file, value] : resources.unified) {
    if (is_plain_word(file) && file != "." && file != ".." && file.find('/') == std::string::npos) {
      continue;
    }
    report.expected(list / file, "the name of a file of cgroup v2, like memory.high", file);
  }
}

using ResourceRule = void (*)(const Resources&, const Report&);
constexpr ResourceRule kResourceRules[] = {
    rule_types,
    rule_numbers,
    rule_access,
    memory_limits,
    memory_swappiness,
    memory_swap_includes_limit,
    cpu_quota,
    cpu_burst,
    cpu_idle,
    cpu_sets,
    pids_limit,
    block_io_weights,
    weight_device_has_weight,
    block_io_numbers,
    hugepage_sizes,
    network_priorities,
    rdma_limits,
    unified_files,
};

}  // namespace

void check_resources(const Resources& resources, std::string_view prefix, Problems& problems) {
  const Report report{problems, Path(prefix)};
  for (const auto rule : kResourceRules) rule(resources, report);
}

}  // namespace corten::spec
