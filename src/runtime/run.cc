// run: create and start in one, attached to the caller or not.
#include "container.h"
#include "relay.h"
#include "terminal.h"
#include <corten/base/log.h>
#include <corten/runtime/operations.h>

namespace corten::runtime {

namespace {

Result<int> run_detached(const Context& context, const CreateOptions& options) {
  Created container = TRY(create_container(context, options, nullptr));
  TRY(start_container(container.entry, container.record, Readiness::Wait));
  return 0;
}

// Others could look at the container, and delete it, while its program ran. The record has not
// changed: it is written by create alone.
Result<> delete_again(Entry& entry, const Record& record) {
  const Result<> locked = entry.lock();
  if (!locked && locked.error().kind() == ErrorKind::NotFound) return {};
  if (!locked) return locked;
  return destroy_container(entry, record);
}

Result<int> run_attached(const Context& context, const RunOptions& options) {
  const SignalSource signals = TRY(SignalSource::make());
  KeptTerminal terminal;
  Created container = TRY(create_container(context, options.create, &terminal));
  TRY(start_container(container.entry, container.record, Readiness::Background));
  // The program runs: that others have to wait for its end is no reason to end it.
  const Result<> unlocked = container.entry.unlock();
  if (!unlocked) log::warning(unlocked.error().message());
  const Result<sys::Exit> exit = relay_until_exit(
      container.init.pid, container.init.pidfd.get(), signals, std::move(terminal.master()));
  if (exit) container.record.init = {};  // reaped: the number may be anybody's by now
  if (!options.keep) TRY(delete_again(container.entry, container.record));
  if (!exit) return exit.error();
  return exit->shell_status();
}

}  // namespace

Result<int> run(const Context& context, const RunOptions& options) {
  return options.detach ? run_detached(context, options.create) : run_attached(context, options);
}

}  // namespace corten::runtime
