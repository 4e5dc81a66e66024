// The one resolver for paths below the rootfs. Everything that the container's filesystem can name
// is looked up by the kernel under the root's descriptor (openat2 RESOLVE_IN_ROOT), never by
// string, so that a symlink in the image or a racing rename cannot lead outside (CVE-2021-30465,
// CVE-2024-45310 and kin).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::stage::rootpath {

// path: absolute inside the container. Symlinks are followed inside the root; magic links are
// refused. flags: of open(2); O_PATH for a mere handle.
Result<sys::UniqueFd> open(int root_fd, const std::string& path, int flags);

// As open(), but an invalid descriptor when it is missing (ENOENT, ENOTDIR).
Result<sys::UniqueFd> open_existing(int root_fd, const std::string& path, int flags);

// As open(), but no component may be a symlink: for /proc, /sys and what is below them.
Result<sys::UniqueFd> open_no_symlinks(int root_fd, const std::string& path, int flags);

enum class TargetKind : uint8_t { Directory, File };
// Opens (O_PATH) what is there, or makes it with its parents: directories 0755, files 0644. What
// exists stays as it is. Dangling symlinks are followed inside the root and their target is made
// there.
Result<sys::UniqueFd> open_or_create(int root_fd, const std::string& path, TargetKind kind);

// The parent directory of `path`, made when missing, and the last component.
struct Slot {
  sys::UniqueFd parent;
  std::string name;
};
Result<Slot> open_parent(int root_fd, const std::string& path);

}  // namespace corten::stage::rootpath
