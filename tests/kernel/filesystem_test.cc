// The resolver and the mount calls against the running kernel, in a mount namespace of their own.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "copy_tree.h"
#include "in_child.h"
#include "rootpath.h"
#include <corten/runtime/operations.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>

namespace corten::stage {
namespace {

using corten::testing::require;

// A private mount namespace with an empty tmpfs on /mnt and the directory /mnt/root in it.
Result<sys::UniqueFd> make_root() {
  TRY(sys::unshare(CLONE_NEWNS));
  TRY(sys::mount_setattr_at(AT_FDCWD, "/", sys::Recursive::Yes, {.propagation = MS_PRIVATE}));
  const sys::UniqueFd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfig_create(fs.get()));
  const sys::UniqueFd mount = TRY(sys::fsmount(fs.get(), 0));
  const sys::UniqueFd target = TRY(sys::open("/mnt", O_PATH | O_DIRECTORY));
  TRY(sys::move_mount(mount.get(), target.get()));
  TRY(sys::mkdirat(AT_FDCWD, "/mnt/root", 0755));
  TRY(sys::mkdirat(AT_FDCWD, "/mnt/outside", 0755));
  return sys::open("/mnt/root", O_PATH | O_DIRECTORY);
}

bool there(const std::string& path) {
  return sys::fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW).has_value();
}

IN_CHILD_TEST(Rootpath, AbsoluteLinksStayInside) {
  const sys::UniqueFd root = TRY(make_root());
  TRY(sys::symlinkat("/mnt/outside", root.get(), "link"));
  TRY(rootpath::open_or_create(root.get(), "/link/file", rootpath::TargetKind::File));
  TRY(require(there("/mnt/root/mnt/outside/file"), "the file is below the root"));
  return require(!there("/mnt/outside/file"), "nothing is outside");
}

IN_CHILD_TEST(Rootpath, DotDotCannotClimbOut) {
  const sys::UniqueFd root = TRY(make_root());
  TRY(sys::symlinkat("../../../../outside", root.get(), "up"));
  TRY(rootpath::open_or_create(root.get(), "/up/dir/../sub", rootpath::TargetKind::Directory));
  TRY(require(!there("/mnt/outside/sub"), "nothing is outside"));
  return require(there("/mnt/root/outside/sub"), "it is below the root");
}

IN_CHILD_TEST(Rootpath, LoopsAreAnError) {
  const sys::UniqueFd root = TRY(make_root());
  TRY(sys::symlinkat("b", root.get(), "a"));
  TRY(sys::symlinkat("a", root.get(), "b"));
  const auto opened = rootpath::open_or_create(root.get(), "/a/x", rootpath::TargetKind::Directory);
  return require(!opened && opened.error().errno_value() == ELOOP, "ELOOP");
}

IN_CHILD_TEST(Rootpath, DanglingLinksAreFilledInside) {
  const sys::UniqueFd root = TRY(make_root());
  TRY(sys::symlinkat("/not/yet", root.get(), "dangling"));
  TRY(rootpath::open_or_create(root.get(), "/dangling", rootpath::TargetKind::File));
  return require(there("/mnt/root/not/yet"), "the target was made below the root");
}

IN_CHILD_TEST(Rootpath, MagicLinksAreRefused) {
  const sys::UniqueFd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  return require(!rootpath::open(root.get(), "/proc/self/fd/0", O_PATH),
                 "a magic link is not followed");
}

IN_CHILD_TEST(Mounts, AttributesAreSetBeforeTheMountIsVisible) {
  const sys::UniqueFd root = TRY(make_root());
  const sys::UniqueFd clone = TRY(sys::open_tree(AT_FDCWD, "/mnt/outside", OPEN_TREE_CLONE));
  TRY(sys::mount_setattr(clone.get(), sys::Recursive::No, {.set = MOUNT_ATTR_RDONLY}));
  TRY(sys::move_mount(clone.get(), root.get()));
  const auto made = sys::openat(AT_FDCWD, "/mnt/root/x", O_WRONLY | O_CREAT, 0600);
  return require(!made && made.error().errno_value() == EROFS, "EROFS");
}

IN_CHILD_TEST(Mounts, FilesystemMessagesAreInTheError) {
  const sys::UniqueFd fs = TRY(sys::fsopen("tmpfs"));
  const Result<> set = sys::fsconfig_string(fs.get(), "no-such-option", "1");
  TRY(require(!set, "the option is refused"));
  return require(set.error().message().find("no-such-option") != std::string::npos,
                 "the option is named");
}

IN_CHILD_TEST(CopyTree, CopiesLinksAsLinksAndModes) {
  TRY(make_root());
  TRY(sys::symlinkat("/etc/passwd", AT_FDCWD, "/mnt/outside/link"));
  const sys::UniqueFd file = TRY(sys::open("/mnt/outside/file", O_WRONLY | O_CREAT, 0600));
  TRY(sys::write_all(file.get(), "text"));
  TRY(sys::fchmod(file.get(), 04751));
  const sys::UniqueFd from = TRY(sys::open("/mnt/outside", O_RDONLY | O_DIRECTORY));
  const sys::UniqueFd to = TRY(sys::open("/mnt/root", O_RDONLY | O_DIRECTORY));
  TRY(copy_tree(from.get(), to.get()));
  const auto link = TRY(sys::fstatat(AT_FDCWD, "/mnt/root/link", AT_SYMLINK_NOFOLLOW));
  TRY(require(S_ISLNK(link.st_mode), "a link is a link"));
  const auto copied = TRY(sys::fstatat(AT_FDCWD, "/mnt/root/file", AT_SYMLINK_NOFOLLOW));
  TRY(require((copied.st_mode & 07777) == 04751, "the mode is the same"));
  const std::string text = TRY(sys::read_file("/mnt/root/file", 100));
  return require(text == "text", "the content is the same");
}

}  // namespace
}  // namespace corten::stage
