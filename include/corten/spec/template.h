// The config.json that `corten spec` writes, and the features document.
#pragma once

#include <cstdint>
#include <string>

namespace corten::spec {

enum class Rootless : uint8_t { No, Yes };

// A complete, indented config.json for a busybox-like rootfs in "rootfs": the shape of runc's
// `spec` with the default masked and readonly paths of docs/security.md.
// Rootless: user namespace, one mapping of uid/gid to 0, no resources, sysfs as a bind.
std::string config_template(Rootless rootless, uint32_t uid, uint32_t gid);

}  // namespace corten::spec
