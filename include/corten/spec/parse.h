// Text to types. Pure: no system calls, works without privilege, never throws.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/spec/config.h>

namespace corten::spec {

// The newest version of the runtime-spec that corten implements, and the oldest config it accepts.
inline constexpr std::string_view kOciVersionMax = "1.3.0";
inline constexpr std::string_view kOciVersionMin = "1.0.0";

// A config file larger than this is refused unread. (A Kubernetes object, annotations included, is
// at most 1.5 MiB, and the largest seccomp profiles in use have 20 KB.)
inline constexpr std::size_t kMaxConfigBytes = 16U << 20U;

// Reads config.json: UTF-8, no duplicate names, no trailing garbage, exact types and ranges;
// unknown properties are ignored at every level (config.md "Extensibility"). null counts as absent,
// because Go's encoder writes it for slices, maps and pointers that are not set; an element of an
// array or map is never null. Strings that can reach a system call must not hold NUL. Errors:
// InvalidSpec with the JSON pointer and the line of the first problem; when there are several, the
// others follow in the same text: "config.json line 3: /process/user/uid: expected an integer from
// 0 to 4294967294, found \"0\" (a string); and 1 more: line 9: /process/cwd: ...". Never throws.
// load() of validate.h is this and the rules of validate() in one step, with line numbers in both.
Result<Spec> parse(std::string_view json);

// Reads a bare `process` object: the file of `exec --process`.
Result<Process> parse_process(std::string_view json);

// Reads a bare `linux.resources` object: the file of `update --resources`.
Result<Resources> parse_resources(std::string_view json);

// Reads the `mounts` array of an object {"mounts": [...]}: the file of `mounts add|remove`. Checks
// the rules for mounts as well.
Result<std::vector<Mount>> parse_mounts(std::string_view json);

}  // namespace corten::spec
