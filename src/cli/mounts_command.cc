// mounts.
#include "command.h"
#include <corten/base/strings.h>

namespace corten::cli {

Result<int> mounts_command(const Invocation& invocation) {
  const auto& words = invocation.options.positional;
  const std::string& action = words[0];
  if (action != "add" && action != "remove") {
    return Error(ErrorKind::InvalidArgument,
                 "mounts takes add or remove first, not " + quote(action));
  }
  const std::string text = TRY(read_input("the list of mounts", words[2]));
  TRY(runtime::change_mounts(
      invocation.context,
      words[1],
      action == "add" ? runtime::MountAction::Add : runtime::MountAction::Remove,
      text));
  return 0;
}

}  // namespace corten::cli
