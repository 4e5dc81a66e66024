#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include <corten/runtime/self_exe.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>

// Written by the entry point of the static binary (cli/entry.cc), before the C library starts.
extern "C" bool corten_is_protected;
bool corten_is_protected = false;

namespace corten::runtime {

namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// With another /proc, the file that the link there names would be executed instead of the runtime.
Result<> require_procfs() {
  const struct statfs filesystem = TRY(sys::statfs("/proc/self"));
  if (filesystem.f_type == PROC_SUPER_MAGIC) return {};
  return Error(ErrorKind::Unsupported,
               "/proc is not a procfs: mount one before running containers");
}

// Not a marker that a caller could fake, but the property itself: the mount or the file refuses
// writes.
Result<bool> is_protected() {
  const struct statfs filesystem = TRY(sys::statfs(kSelf));
  if ((filesystem.f_flags & ST_RDONLY) != 0) return true;
  const Result<sys::UniqueFd> self = sys::open(kSelf, O_RDONLY);
  if (!self) return self.error();
  const int seals = ::fcntl(self->get(), F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

// The mount belongs to no namespace: nobody can remount it by path, and it goes with its last user.
Result<sys::UniqueFd> readonly_mount() {
  sys::UniqueFd clone = TRY(sys::open_tree(AT_FDCWD, kSelf, OPEN_TREE_CLONE));
  TRY(sys::mount_setattr(clone.get(),
                         sys::Recursive::No,
                         {.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV}));
  return clone;
}

Result<sys::UniqueFd> sealed_copy() {
  const sys::UniqueFd self = TRY(sys::open(kSelf, O_RDONLY));
  const struct stat status = TRY(sys::fstat(self.get()));
  constexpr unsigned kExecutable = 0x0010U;  // MFD_EXEC, Linux 6.3; older kernels refuse the flag
  Result<sys::UniqueFd> copy = sys::memfd_create("corten", MFD_ALLOW_SEALING | kExecutable);
  if (!copy && copy.error().errno_value() == EINVAL)
    copy = sys::memfd_create("corten", MFD_ALLOW_SEALING);
  if (!copy) return copy;
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t count =
        ::sendfile(copy->get(), self.get(), nullptr, static_cast<std::size_t>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      return Error::from_errno(count == 0 ? EIO : errno, "sendfile() of the runtime's binary");
    left -= count;
  }
  if (::fcntl(copy->get(), F_ADD_SEALS, kSeals) != 0)
    return Error::from_errno(errno, "fcntl(F_ADD_SEALS)");
  return copy;
}

// An ordinary user who cannot write to the file need not be kept from it.
bool is_writable_by_caller() {
  const Result<struct stat> status = sys::fstatat(AT_FDCWD, kSelf, 0);
  return !status || ::geteuid() == 0 || status->st_uid == ::geteuid() ||
         ::faccessat(AT_FDCWD, kSelf, W_OK, AT_EACCESS) == 0;
}

}  // namespace

Result<> protect_executable(char** argv) {
  if (corten_is_protected) return {};
  TRY(require_procfs());
  const bool done = TRY(is_protected());
  if (done) return {};
  Result<sys::UniqueFd> copy = readonly_mount();
  if (copy) {
    // Returns only when execution failed: the mount may be noexec, for example.
    (void)sys::execveat(copy->get(), "", argv, environ, AT_EMPTY_PATH);
  }
  if (!is_writable_by_caller()) return {};
  const sys::UniqueFd sealed = TRY(sealed_copy());
  Error failure = sys::execveat(sealed.get(), "", argv, environ, AT_EMPTY_PATH);
  return std::move(failure).with_context("executing a protected copy of the runtime");
}

}  // namespace corten::runtime
