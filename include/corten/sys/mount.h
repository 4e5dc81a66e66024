// The mount API of Linux 5.2 and later: mounts as file descriptors. See docs/kernel-features.md.
#pragma once

#include <linux/mount.h>

#include <cstdint>
#include <string>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::sys {

Result<UniqueFd> fsopen(const std::string& type);
// On failure the messages that the filesystem left in the context are part of the error
// (fsopen(2)).
Result<> fsconfig_flag(int fs_fd, const std::string& key);
Result<> fsconfig_string(int fs_fd, const std::string& key, const std::string& value);
Result<> fsconfig_create(int fs_fd);
Result<> fsconfig_reconfigure(int fs_fd);
// attributes: MOUNT_ATTR_*. The mount is detached until move_mount.
Result<UniqueFd> fsmount(int fs_fd, uint64_t attributes);
// fspick with FSPICK_EMPTY_PATH: reconfigures the superblock that fd is on.
Result<UniqueFd> fspick(int fd);

// flags: OPEN_TREE_CLONE, AT_RECURSIVE, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW; OPEN_TREE_CLOEXEC is
// added.
Result<UniqueFd> open_tree(int dir_fd, const std::string& path, unsigned flags);
// Attaches the detached mount (or moves the attached one) onto what target_fd refers to.
Result<> move_mount(int mount_fd, int target_fd);
// As move_mount, but flags decide: MOVE_MOUNT_*.
Result<> move_mount_at(
    int from_fd, const std::string& from, int to_fd, const std::string& to, unsigned flags);

struct MountAttr {
  uint64_t set = 0;
  uint64_t clear = 0;
  uint64_t propagation = 0;  // MS_SHARED ...
  int userns_fd = -1;        // with MOUNT_ATTR_IDMAP
};
enum class Recursive : uint8_t { No, Yes };
// Of the mount that fd refers to (AT_EMPTY_PATH).
Result<> mount_setattr(int fd, Recursive recursive, const MountAttr& attr);
Result<> mount_setattr_at(int dir_fd,
                          const std::string& path,
                          Recursive recursive,
                          const MountAttr& attr);

Result<> umount(const std::string& path, int flags);
Result<> pivot_root(const std::string& new_root, const std::string& put_old);

}  // namespace corten::sys
