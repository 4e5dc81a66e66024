// Lines of a resctrl schemata file, "L3:0=7f0;1=1f": compared by what they mean. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/plan.h>

namespace corten::runtime {

// Whether a class of service with these schemata is what the lines that must match ask for. What a
// line without must_match sets is not compared: it is written afterwards.
// present: the class's schemata file. bandwidth_step: info/MB/bandwidth_gran, to which the kernel
// rounds bandwidths up.
// Errors: InvalidSpec with the pointer of the line that differs.
// Spec: config-linux.md "IntelRdt"; the format: Documentation/filesystems/resctrl.rst.
Result<> match_schemata(const std::vector<plan::RdtSchema>& wanted,
                        std::string_view present,
                        uint64_t bandwidth_step);

// The lines of a schemata file without the blanks that align them.
std::vector<std::string> schemata_lines(std::string_view text);

}  // namespace corten::runtime
