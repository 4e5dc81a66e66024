// mounts add and mounts remove: the steps of create for mounts, in the mount namespace of a
// container that runs. The process that does it stays in the runtime's PID namespace, so that
// nobody inside can see it.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "context.h"
#include "rootpath.h"
#include "steps/steps.h"
#include <corten/base/strings.h>
#include <corten/stage/stage.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

Result<> join(const MountsInput& input) {
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL));
  // A user namespace makes this process its subject: without this its root could trace it
  // (CVE-2016-9962).
  TRY(sys::prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 0));
  constexpr uint64_t kWanted = CLONE_NEWNS | CLONE_NEWUSER;
  TRY(sys::setns(input.init_pidfd.get(), static_cast<int>(input.namespaces & kWanted))
          .context("joining the container's mount namespace"));
  if ((input.namespaces & CLONE_NEWUSER) != 0) {
    TRY(sys::setresgid(0));
    TRY(sys::setresuid(0));
  }
  return {};
}

// Unmounts what is at the destination: by the descriptor that the resolver gave, through the host's
// procfs, because umount2(2) takes only paths and a path could be changed meanwhile.
Result<> remove_one(const InitContext& init, int proc_fd, const plan::Mount& mount) {
  const sys::UniqueFd there = TRY(rootpath::open(init.root.get(), mount.destination, O_PATH));
  TRY(sys::fchdir(proc_fd));
  const Result<> removed = sys::umount(fmt::format("self/fd/{}", there.get()), MNT_DETACH);
  if (removed || removed.error().errno_value() != EINVAL) return removed;
  return Error(ErrorKind::InvalidArgument,
               fmt::format("nothing is mounted at {}", quote(mount.destination)))
      .with_errno(EINVAL);
}

Error in_entry(Error error, const char* what, const plan::Mount& mount) {
  return std::move(error)
      .with_context(fmt::format("/mounts/{}: {} {}", mount.index, what, quote(mount.destination)))
      .with_pointer(fmt::format("/mounts/{}", mount.index));
}

// All or nothing: what was mounted before the entry that fails goes again.
Result<> add_all(InitContext& init, int proc_fd) {
  const auto& mounts = init.plan.mounts;
  for (std::size_t position = 0; position < mounts.size(); ++position) {
    Result<> done = mount_at(init, position);
    if (done) continue;
    for (std::size_t undo = position; undo-- > 0;) (void)remove_one(init, proc_fd, mounts[undo]);
    return done;
  }
  return make_mounts_readonly(init);
}

Result<> remove_all(const InitContext& init, int proc_fd) {
  for (auto mount = init.plan.mounts.rbegin(); mount != init.plan.mounts.rend(); ++mount) {
    Result<> done = remove_one(init, proc_fd, *mount);
    if (!done) return in_entry(std::move(done).error(), "removing", *mount);
  }
  return {};
}

Result<> change(MountsInput& input) {
  TRY(join(input));
  CreateInput create;
  create.plan = input.plan;
  create.channel = std::move(input.channel);
  create.sources_from_parent = true;
  InitContext init{create, *input.plan, {}, {}, {}, {}, {}, {}};
  init.root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  Result<> done = input.action == MountsInput::Action::Add ? add_all(init, input.proc.get())
                                                           : remove_all(init, input.proc.get());
  input.channel = std::move(create.channel);
  return done;
}

}  // namespace

void mounts_main(MountsInput& input) noexcept {
  const Result<> done = change(input);
  if (!done) {
    input.channel.send_failure(done.error());
    _exit(1);
  }
  (void)input.channel.send(proto::Ready{});
  _exit(0);
}

}  // namespace corten::stage
