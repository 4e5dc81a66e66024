// mounts add and mounts remove: changes what a running container has mounted.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include "container.h"
#include "mount_fds.h"
#include <corten/base/defer.h>
#include <corten/base/strings.h>
#include <corten/plan/build.h>
#include <corten/proto/channel.h>
#include <corten/runtime/operations.h>
#include <corten/spec/parse.h>
#include <corten/stage/stage.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

// The part of a plan that the steps for mounts look at.
Result<plan::Plan> plan_mounts(const Record& record, const std::string& json) {
  const auto configured = TRY(spec::parse_mounts(json));
  plan::Plan plan;
  plan.id = record.id;
  plan.bundle = record.bundle;
  plan.rootfs = record.rootfs;
  plan.rootfs_propagation = TRY(plan::default_rootfs_propagation());
  plan.namespaces.unshare = record.namespaces;
  plan.mounts = TRY(plan::build_extra_mounts(
      configured, record.bundle, (record.namespaces & CLONE_NEWUSER) != 0));
  for (const auto& mount : plan.mounts) {
    const auto pointer = fmt::format("/mounts/{}", mount.index);
    if (mount.destination == "/")
      return Error::spec(pointer + "/destination", "the root of a running container stays");
    if (mount.kind == plan::MountKind::Cgroup)
      return Error::spec(pointer + "/type", "cgroups can only be mounted by create");
  }
  return plan;
}

Result<> check_state(const Entry& entry, const Record& record) {
  const spec::Status status = status_of(entry, record);
  if (status == spec::Status::Stopped || status == spec::Status::Creating)
    return Error(ErrorKind::WrongState, "container not running");
  if ((record.namespaces & CLONE_NEWNS) != 0) return {};
  return Error(ErrorKind::Unsupported,
               "the container has no mount namespace of its own: its mounts are the host's");
}

// Serves the child until it is done.
Result<> converse(const proto::Channel& channel, const plan::Plan& plan, int pidfd, pid_t init) {
  for (;;) {
    const proto::Envelope envelope = TRY(receive_watching(channel, pidfd, "the mounting process"));
    if (std::holds_alternative<proto::Ready>(envelope.message)) return {};
    const auto* request = std::get_if<proto::MountFdRequest>(&envelope.message);
    if (request == nullptr)
      return Error(ErrorKind::Protocol,
                   std::string(proto::message_name(envelope.message)) + " came out of turn");
    const Result<sys::UniqueFd> mount = open_mount_source(plan, request->index, init);
    // The child undoes what it has mounted and sends the error back.
    if (!mount) channel.send_failure(mount.error());
    if (mount) TRY(channel.send(proto::MountFd{request->index}, mount->get()));
  }
}

}  // namespace

Result<> change_mounts(const Context& context,
                       const std::string& id,
                       MountAction action,
                       const std::string& json) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  TRY(check_state(entry, record));
  const plan::Plan plan = TRY(plan_mounts(record, json));
  auto ends = TRY(proto::Channel::make_pair());
  stage::MountsInput input;
  input.plan = &plan;
  input.channel = std::move(ends.second);
  input.action = action == MountAction::Add ? stage::MountsInput::Action::Add
                                            : stage::MountsInput::Action::Remove;
  input.namespaces = record.namespaces;
  input.proc = TRY(open_proc());
  input.init_pidfd = TRY(sys::pidfd_open(record.init.pid));
  if (!is_alive(record.init)) return Error(ErrorKind::WrongState, "container not running");
  const pid_t child = TRY(sys::fork());
  if (child == 0) {
    if (!close_others(0, {input.channel.fd(), input.proc.get(), input.init_pidfd.get()})) _exit(1);
    stage::mounts_main(input);
  }
  input.channel.close();
  const Defer reap([child] {
    (void)sys::kill(child, SIGKILL);
    (void)sys::wait_child(child);
  });
  const sys::UniqueFd pidfd = TRY(sys::pidfd_open(child));
  return converse(ends.first, plan, pidfd.get(), record.init.pid);
}

}  // namespace corten::runtime
