// The container's terminal: a pseudo terminal of the container's own devpts, its master sent to the
// runtime, its user side on stdio and /dev/console.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../rootpath.h"
#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::stage {

namespace {

constexpr ino_t kPtmxInode = 2;

// The image may bring a "ptmx" of its own: only the multiplexer of a real devpts will do
// (CVE-2025-52565).
Result<> verify_ptmx(int fd) {
  const struct statfs filesystem = TRY(sys::fstatfs(fd));
  const struct stat status = TRY(sys::fstat(fd));
  if (filesystem.f_type == DEVPTS_SUPER_MAGIC && status.st_ino == kPtmxInode &&
      status.st_rdev == makedev(5, 2))
    return {};
  return Error(ErrorKind::Unsupported,
               "/dev/pts/ptmx is not on a devpts: mount one of type devpts at /dev/pts");
}

Result<sys::UniqueFd> open_master(int root_fd) {
  const sys::UniqueFd handle = TRY(rootpath::open(root_fd, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW));
  TRY(verify_ptmx(handle.get()));
  sys::UniqueFd master =
      TRY(rootpath::open(root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW));
  // A running container could have exchanged it in between.
  TRY(verify_ptmx(master.get()));
  return master;
}

struct Pty {
  sys::UniqueFd master;
  sys::UniqueFd user_side;
};

Result<Pty> allocate(const plan::Process& process, int root_fd) {
  Pty pty;
  pty.master =
      TRY(open_master(root_fd).context("opening the terminal multiplexer of the container"));
  TRY(sys::unlock_pty(pty.master.get()));
  pty.user_side = TRY(sys::open_pty_peer(pty.master.get(), O_RDWR | O_NOCTTY));
  if (process.console_size) {
    TRY(sys::set_window_size(
        pty.master.get(),
        winsize{process.console_size->rows, process.console_size->columns, 0, 0}));
  }
  // The user must be able to open its own terminal again.
  TRY(sys::chown_fd(pty.user_side.get(), process.uid, static_cast<gid_t>(-1)));
  return pty;
}

Result<> send_master(const proto::Channel& channel, int master_fd) {
  TRY(channel.send(proto::TerminalMaster{}, master_fd));
  TRY(channel.expect<proto::Proceed>());
  return {};
}

Result<> put_on_console(const InitContext& init, int peer_fd) {
  const rootpath::Slot slot = TRY(rootpath::open_parent(init.root.get(), "/dev/console"));
  const Result<sys::UniqueFd> made = sys::openat(
      slot.parent.get(), slot.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY, 0620);
  if (!made && made.error().errno_value() != EEXIST) return made.error();
  const sys::UniqueFd target = TRY(sys::openat2(
      slot.parent.get(), slot.name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
  const struct stat status = TRY(sys::fstat(target.get()));
  if (S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode)) {
    return Error::from_errno(EEXIST, "/dev/console of the image is a symbolic link or a directory");
  }
  const sys::UniqueFd clone = TRY(sys::open_tree(peer_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
  return sys::move_mount(clone.get(), target.get());
}

}  // namespace

// The terminal is taken on before the container is "created": an engine that captures the runtime's
// output waits until nobody holds that pipe any more.
Result<> set_up_terminal(InitContext& init) {
  if (!init.plan.process || !init.plan.process->terminal) return {};
  const Pty pty = TRY(allocate(*init.plan.process, init.root.get()));
  if (init.plan.namespaces.is_new(CLONE_NEWNS))
    TRY(put_on_console(init, pty.user_side.get()).context("the terminal on /dev/console"));
  TRY(send_master(init.input.channel, pty.master.get()));
  return adopt_terminal(pty.user_side.get());
}

Result<sys::UniqueFd> allocate_exec_terminal(const plan::Process& process,
                                             const proto::Channel& channel) {
  const sys::UniqueFd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  Pty pty = TRY(allocate(process, root.get()));
  TRY(send_master(channel, pty.master.get()));
  return std::move(pty.user_side);
}

Result<> adopt_terminal(int terminal_fd) {
  TRY(sys::set_controlling_terminal(terminal_fd));
  for (const int target : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    TRY(sys::duplicate_to(terminal_fd, target));
  return {};
}

}  // namespace corten::stage
