// linux.resources -> control file writes. Each controller is used where the host has it: the topic
// functions here decide that, cgroup_v1.cc and cgroup_v2.cc know the files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/spec/config.h>

namespace corten::plan {

// The list in the making, with the place of the resources object in the document.
struct ResourceWrites {
  const CgroupFacts& facts;
  std::string base;  // "/linux/resources"
  std::vector<CgroupWrite> writes;

  std::string pointer(std::string_view property) const { return base + std::string(property); }
  // Appends a plain write and returns it for the rarer fields.
  CgroupWrite& add(std::string_view controller,
                   std::string_view file,
                   std::string value,
                   std::string_view property);
};

// "-1" and "max": how the two versions spell "no limit".
std::string v1_limit(int64_t value);
std::string v2_limit(int64_t value);
// "8:0"
std::string device_number(int64_t major, int64_t minor);

namespace v1 {
void add_memory(const spec::Memory& memory, ResourceWrites& out);
void add_cpu(const spec::Cpu& cpu, ResourceWrites& out);
void add_block_io(const spec::BlockIo& block_io, ResourceWrites& out);
void add_hugepages(const spec::HugepageLimit& limit, std::size_t index, ResourceWrites& out);
}  // namespace v1

namespace v2 {
Result<> add_memory(const spec::Memory& memory, ResourceWrites& out);
Result<> add_cpu(const spec::Cpu& cpu, ResourceWrites& out);
Result<> add_block_io(const spec::BlockIo& block_io, ResourceWrites& out);
void add_hugepages(const spec::HugepageLimit& limit, std::size_t index, ResourceWrites& out);
Result<> add_unified(const spec::Resources& resources, ResourceWrites& out);

// shares: [2, 262144], outside values count as the nearest. Returns [1, 10000]; 1024 gives 100.
// w = ceil(10^((l^2 + 125 l) / 612 - 7/34)), l = log2(shares): the curve through the minimum, the
// default and the maximum of both scales.
uint64_t weight_from_shares(uint64_t shares);
// blkio weight [10, 1000] -> io.weight [1, 10000], linear.
uint64_t io_weight_from_blkio(uint64_t weight);
}  // namespace v2

}  // namespace corten::plan
