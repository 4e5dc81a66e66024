// What a checkpoint and its restore must agree on: the names of what is outside the container. They
// are those of runc, so that images can move between the two.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "criu_rpc.h"
#include "record.h"
#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/runtime/operations.h>
#include <corten/sys/fd.h>

namespace corten::runtime::criu {

// The file in the images with what descriptors 0 to 2 of init were.
inline constexpr const char* kDescriptorsFile = "descriptors.json";

// Mounts whose source is outside: {mount point in the container, path on the host}.
std::vector<std::pair<std::string, std::string>> external_mounts(const plan::Plan& plan,
                                                                 const Record& record);

// The files among maskedPaths, which are covered with /dev/null: existing ones of the process
// `pid`.
std::vector<std::string> masked_files(const plan::Plan& plan, pid_t pid);

// The key that a network or PID namespace of outside has in the images; "" for other kinds.
std::string external_namespace_key(int flag);

// What both commands take over from the command line.
// images_fd, work_fd (-1 = none): open as long as CRIU runs. Errors: InvalidArgument.
Result<> apply_options(
    const CriuOptions& given, const Record& record, int images_fd, int work_fd, Options& options);

}  // namespace corten::runtime::criu
