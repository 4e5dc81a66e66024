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

// Others must be able to look at the container, and to delete it, while its program runs.
Result<> release_and_delete(const Context& context, const std::string& id, bool keep) {
  return keep ? Result<>() : remove(context, id, Force::Yes);
}

Result<int> run_attached(const Context& context, const RunOptions& options) {
  const SignalSource signals = TRY(SignalSource::make());
  KeptTerminal terminal;
  InitProcess init;
  {
    Created container = TRY(create_container(context, options.create, &terminal));
    TRY(start_container(container.entry, container.record, Readiness::Background));
    init = std::move(container.init);
  }  // the lock ends here
  const Result<sys::Exit> exit =
      relay_until_exit(init.pid, init.pidfd.get(), signals, std::move(terminal.master()));
  TRY(release_and_delete(context, options.create.id, options.keep));
  if (!exit) return exit.error();
  return exit->shell_status();
}

}  // namespace

Result<int> run(const Context& context, const RunOptions& options) {
  return options.detach ? run_detached(context, options.create) : run_attached(context, options);
}

}  // namespace corten::runtime
