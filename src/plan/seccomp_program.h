// Assembling the classic BPF program of a system call filter.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "seccomp_rules.h"
#include <corten/base/result.h>

namespace corten::plan {

// What a range of numbers ends in: an action, or the chain with that index.
struct SeccompLeaf {
  bool is_chain = false;
  uint32_t value = 0;  // SECCOMP_RET_* with its data, or the index

  friend bool operator==(const SeccompLeaf&, const SeccompLeaf&) = default;
};

// From `first` up to the number before the next range.
struct SeccompRange {
  uint32_t first = 0;
  SeccompLeaf leaf;
};

// The calls of one value of seccomp_data.arch. The first range starts at 0, neighbours differ.
struct SeccompSection {
  uint32_t audit_arch = 0;  // AUDIT_ARCH_*
  std::vector<SeccompRange> ranges;
};

// sections: the architecture of most calls first. bad_arch_action: for all that have no section.
// Errors: Unsupported when the program does not fit into BPF_MAXINSNS.
Result<std::vector<sock_filter>> assemble_filter(const std::vector<SeccompSection>& sections,
                                                 const std::vector<SeccompChain>& chains,
                                                 uint32_t bad_arch_action);

}  // namespace corten::plan
