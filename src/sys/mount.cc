#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "call.h"
#include <corten/sys/mount.h>

// glibc 2.36 has these in <sys/mount.h>, which cannot be included together with <linux/mount.h>
// everywhere; the raw numbers are stable on every architecture since 5.2.

namespace corten::sys {

namespace {

// The filesystem's own words: each read(2) of the context returns one message "e <text>".
std::string context_messages(int fs_fd) {
  const int saved = errno;
  std::string all;
  std::array<char, 512> message{};
  for (;;) {
    const ssize_t length = ::read(fs_fd, message.data(), message.size());
    if (length <= 0) break;
    std::string_view text =
        trim(std::string_view(message.data(), static_cast<std::size_t>(length)));
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
    all += " (";
    all += printable(text);
    all += ')';
  }
  errno = saved;
  return all;
}

Result<> fsconfig(
    int fs_fd, unsigned command, const char* key, const char* value, const std::string& call) {
  if (syscall(SYS_fsconfig, fs_fd, command, key, value, 0) == 0) return {};
  const std::string messages = context_messages(fs_fd);
  return failed("{}{}", call, messages);
}

}  // namespace

Result<UniqueFd> fsopen(const std::string& type) {
  const long fd = syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC);
  if (fd < 0) return failed("fsopen({})", quote(type));
  return UniqueFd(static_cast<int>(fd));
}

Result<> fsconfig_flag(int fs_fd, const std::string& key) {
  return fsconfig(
      fs_fd, FSCONFIG_SET_FLAG, key.c_str(), nullptr, "fsconfig(SET_FLAG, " + quote(key) + ")");
}

Result<> fsconfig_string(int fs_fd, const std::string& key, const std::string& value) {
  return fsconfig(fs_fd,
                  FSCONFIG_SET_STRING,
                  key.c_str(),
                  value.c_str(),
                  "fsconfig(SET_STRING, " + quote(key) + ", " + quote(value) + ")");
}

Result<> fsconfig_create(int fs_fd) {
  return fsconfig(fs_fd, FSCONFIG_CMD_CREATE, nullptr, nullptr, "fsconfig(CMD_CREATE)");
}

Result<> fsconfig_reconfigure(int fs_fd) {
  return fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, "fsconfig(CMD_RECONFIGURE)");
}

Result<UniqueFd> fsmount(int fs_fd, uint64_t attributes) {
  const long fd = syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, attributes);
  if (fd < 0) {
    const std::string messages = context_messages(fs_fd);
    return failed("fsmount({}, {:#x}){}", fs_fd, attributes, messages);
  }
  return UniqueFd(static_cast<int>(fd));
}

Result<UniqueFd> fspick(int fd) {
  const long context = syscall(SYS_fspick, fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  if (context < 0) return failed("fspick({})", fd);
  return UniqueFd(static_cast<int>(context));
}

Result<UniqueFd> open_tree(int dir_fd, const std::string& path, unsigned flags) {
  const long fd = syscall(SYS_open_tree, dir_fd, path.c_str(), flags | OPEN_TREE_CLOEXEC);
  if (fd < 0) return failed("open_tree({}, {}, {:#x})", name_of_dir(dir_fd), quote(path), flags);
  return UniqueFd(static_cast<int>(fd));
}

Result<> move_mount(int mount_fd, int target_fd) {
  return move_mount_at(
      mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

Result<> move_mount_at(
    int from_fd, const std::string& from, int to_fd, const std::string& to, unsigned flags) {
  return check(syscall(SYS_move_mount, from_fd, from.c_str(), to_fd, to.c_str(), flags),
               "move_mount({}, {}, {}, {}, {:#x})",
               from_fd,
               quote(from),
               to_fd,
               quote(to),
               flags);
}

Result<> mount_setattr(int fd, Recursive recursive, const MountAttr& attr) {
  return mount_setattr_at(fd, "", recursive, attr);
}

Result<> mount_setattr_at(int dir_fd,
                          const std::string& path,
                          Recursive recursive,
                          const MountAttr& attr) {
  ::mount_attr raw{};
  raw.attr_set = attr.set;
  raw.attr_clr = attr.clear;
  raw.propagation = attr.propagation;
  raw.userns_fd = attr.userns_fd >= 0 ? static_cast<uint64_t>(attr.userns_fd) : 0;
  const unsigned flags = (path.empty() ? unsigned{AT_EMPTY_PATH} : 0U) |
                         (recursive == Recursive::Yes ? unsigned{AT_RECURSIVE} : 0U);
  return check(syscall(SYS_mount_setattr, dir_fd, path.c_str(), flags, &raw, sizeof raw),
               "mount_setattr({}, {}, {:#x}, {{set {:#x}, clear {:#x}, propagation {:#x}}})",
               name_of_dir(dir_fd),
               quote(path),
               flags,
               attr.set,
               attr.clear,
               attr.propagation);
}

Result<> umount(const std::string& path, int flags) {
  return check(::umount2(path.c_str(), flags), "umount2({}, {:#x})", quote(path), flags);
}

Result<> pivot_root(const std::string& new_root, const std::string& put_old) {
  return check(syscall(SYS_pivot_root, new_root.c_str(), put_old.c_str()),
               "pivot_root({}, {})",
               quote(new_root),
               quote(put_old));
}

}  // namespace corten::sys
