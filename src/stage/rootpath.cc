#include "rootpath.h"

#include <fcntl.h>
#include <linux/magic.h>

#include <cerrno>
#include <vector>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::stage::rootpath {

namespace {

constexpr uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;
// As many symlinks as the kernel follows in one lookup.
constexpr int kMaxLinks = 40;

Error loop_error(const std::string& path) {
  return Error::from_errno(ELOOP, "resolving " + quote(path) + " inside the rootfs");
}

// Resolves component by component, making what is missing. `done` is the resolved, symlink-free
// path so far; each step opens it afresh below the root, so a concurrent rename can at worst lead
// to another place below the root.
class Walker {
 public:
  Walker(int root_fd, TargetKind kind) : root_fd_(root_fd), kind_(kind) {}

  Result<sys::UniqueFd> walk(const std::string& path) {
    std::vector<std::string> todo;  // reversed: the next component is at the back
    push(todo, path);
    sys::UniqueFd here = TRY(sys::openat2(root_fd_, "/", O_PATH | O_DIRECTORY, kInRoot));
    std::string done;
    int links = 0;
    while (!todo.empty()) {
      const std::string name = std::move(todo.back());
      todo.pop_back();
      if (name == "..") {
        done = done.substr(0, done.empty() ? 0 : done.rfind('/'));
        here =
            TRY(sys::openat2(root_fd_, done.empty() ? "/" : done, O_PATH | O_DIRECTORY, kInRoot));
        continue;
      }
      const bool last = todo.empty();
      Result<sys::UniqueFd> next = sys::openat2(
          here.get(), name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
      if (!next && next.error().errno_value() == ENOENT) {
        next = make(here.get(), name, last).context([&] {
          return fmt::format("making {}, which the rootfs lacks",
                             quote(fmt::format("{}/{}", done, name)));
        });
      }
      if (!next) return std::move(next).error();
      const struct stat status = TRY(sys::fstat(next->get()));
      if (S_ISLNK(status.st_mode)) {
        if (++links > kMaxLinks) return loop_error(path);
        TRY(refuse_magic_link(here.get(), name, *next));
        const std::string target = TRY(sys::readlinkat(next->get(), ""));
        if (target.starts_with('/')) {
          done.clear();
          here = TRY(sys::openat2(root_fd_, "/", O_PATH | O_DIRECTORY, kInRoot));
        }
        push(todo, target);
        continue;
      }
      if (!last && !S_ISDIR(status.st_mode)) {
        return Error::from_errno(
            ENOTDIR,
            "resolving " + quote(path) + " inside the rootfs: " + quote(done + "/" + name));
      }
      done += '/';
      done += name;
      here = std::move(*next);
    }
    return here;
  }

 private:
  static void push(std::vector<std::string>& todo, std::string_view path) {
    const auto parts = split(path, '/');
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      if (!part->empty() && *part != ".") todo.emplace_back(*part);
    }
  }

  // The text of /proc/self/fd/5 is a path of somebody else's root. The kernel says ELOOP.
  static Result<> refuse_magic_link(int dir_fd,
                                    const std::string& name,
                                    const sys::UniqueFd& link) {
    const struct statfs filesystem = TRY(sys::fstatfs(link.get()));
    if (filesystem.f_type != PROC_SUPER_MAGIC) return {};
    const Result<sys::UniqueFd> followed =
        sys::openat2(dir_fd, name, O_PATH, RESOLVE_NO_MAGICLINKS);
    if (!followed && followed.error().errno_value() == ELOOP) return followed.error();
    return {};
  }

  Result<sys::UniqueFd> make(int dir_fd, const std::string& name, bool last) {
    if (!last || kind_ == TargetKind::Directory) {
      const Result<> made = sys::mkdirat(dir_fd, name, kDirectoryMode);
      if (!made && made.error().errno_value() != EEXIST) return made.error();
    } else {
      const Result<sys::UniqueFd> made =
          sys::openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kFileMode);
      if (!made && made.error().errno_value() != EEXIST) return made.error();
    }
    return sys::openat2(dir_fd, name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
  }

  int root_fd_;
  TargetKind kind_;
};

// Makes the last component of a path whose parent is there. Anything out of the ordinary, such as a
// dangling link, is an error that the Walker looks into.
Result<sys::UniqueFd> create_last(int root_fd, const std::string& path, TargetKind kind) {
  const auto slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (slash == std::string::npos || name.empty() || name == "." || name == "..")
    return Error::from_errno(EINVAL, quote(path));
  const sys::UniqueFd parent = TRY(sys::openat2(
      root_fd, slash == 0 ? "/" : path.substr(0, slash), O_PATH | O_DIRECTORY, kInRoot));
  if (kind == TargetKind::Directory) {
    TRY(sys::mkdirat(parent.get(), name, kDirectoryMode));
  } else {
    TRY(sys::openat(
        parent.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY, kFileMode));
  }
  return sys::openat2(
      parent.get(), name, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

}  // namespace

Result<sys::UniqueFd> open(int root_fd, const std::string& path, int flags) {
  return sys::openat2(root_fd, path, flags, kInRoot);
}

Result<sys::UniqueFd> open_existing(int root_fd, const std::string& path, int flags) {
  return sys::openat2_existing(root_fd, path, flags, kInRoot);
}

Result<sys::UniqueFd> open_no_symlinks(int root_fd, const std::string& path, int flags) {
  return sys::openat2(root_fd, path, flags, kInRoot | RESOLVE_NO_SYMLINKS);
}

Result<sys::UniqueFd> open_or_create(int root_fd, const std::string& path, TargetKind kind) {
  // Nearly always it exists: one system call.
  Result<sys::UniqueFd> existing = open_existing(root_fd, path, O_PATH);
  if (!existing || existing->valid()) return existing;
  // Next often only the last component is missing, as in a fresh /dev.
  Result<sys::UniqueFd> made = create_last(root_fd, path, kind);
  if (made) return made;
  return Walker(root_fd, kind).walk(path);
}

Result<Slot> open_parent(int root_fd, const std::string& path) {
  const auto slash = path.rfind('/');
  Slot slot;
  slot.name = path.substr(slash + 1);
  slot.parent =
      TRY(open_or_create(root_fd, slash == 0 ? "/" : path.substr(0, slash), TargetKind::Directory));
  return slot;
}

}  // namespace corten::stage::rootpath
