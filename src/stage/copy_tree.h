// Copies a directory's content into another one, by descriptor and without following a symlink:
// tmpcopyup.
#pragma once

#include <corten/base/result.h>

namespace corten::stage {

// Regular files, directories, symlinks, fifos and device nodes with owner, mode and modification
// time. from_fd, to_fd: open directories. The content of special files is never read.
Result<> copy_tree(int from_fd, int to_fd);

}  // namespace corten::stage
