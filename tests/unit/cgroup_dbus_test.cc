// The small D-Bus client: values and their text, messages, and a connection to a peer that answers
// late, wrongly or not at all.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

#include "dbus.h"
#include "support.h"
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::cgroup::dbus {
namespace {

using std::string_view_literals::operator""sv;

TEST(DbusText, ReadsWhatAnnotationsHold) {
  struct Example {
    std::string_view text;
    Value value;
  };
  const Example examples[] = {
      {"true", boolean(true)},
      {" false ", boolean(false)},
      {"5", {"i", uint64_t{5}}},
      {"-1", {"i", ~uint64_t{0}}},
      {"uint64 123000000", uint64(123000000)},
      {"uint64 18446744073709551615", uint64(~uint64_t{0})},
      {"byte 255", {"y", uint64_t{255}}},
      {"int64 -7", {"x", static_cast<uint64_t>(int64_t{-7})}},
      {"1.5", {"d", 1.5}},
      {R"('a\'b')", string("a'b")},
      {"\"x\"", string("x")},
      {"objectpath '/a'", {"o", std::string("/a")}},
      {"['a', 'b']", array("s", {string("a"), string("b")})},
      {"@as []", array("s", {})},
      {"[uint32 1, 2]", array("u", {uint32(1), uint32(2)})},
      {"('a', uint64 1)", structure({string("a"), uint64(1)})},
      {"[('/dev/x', uint64 5)]", array("(st)", {structure({string("/dev/x"), uint64(5)})})},
      {"(1,)", structure({{"i", uint64_t{1}}})},
  };
  for (const auto& one : examples) {
    const auto value = parse_value(one.text);
    ASSERT_TRUE(value) << one.text << ": " << value.error().message();
    EXPECT_EQ(value->signature, one.value.signature) << one.text;
    EXPECT_EQ(*value, one.value) << one.text;
  }
}

TEST(DbusText, RefusesEverythingElse) {
  for (const auto text :
       {"",     "uint64",     "yes",      "'open",
        "[",    "[1",         "[1,",      "[1 2]",
        "[]",   "[1,'a']",    "@",        "@as",
        "@z 1", "byte 256",   "byte -1",  "uint32 4294967296",
        "1 2",  "uint64 'a'", "string 1", "1x",
        "--1",  "(1",         "'it''s'",  "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]"}) {
    EXPECT_FALSE(parse_value(text)) << text;
  }
}

// "Marshaling" of the specification: numbers are aligned to their size, structures to 8.
TEST(DbusWriter, AlignsAndCounts) {
  Writer writer;
  writer.u8(1);
  writer.u32(2);
  writer.value(array("t", {uint64(3)}));
  EXPECT_EQ(writer.bytes(),
            "\1\0\0\0\2\0\0\0"
            "\10\0\0\0\0\0\0\0"
            "\3\0\0\0\0\0\0\0"sv);
  Writer variant;
  variant.variant(array("(st)", {structure({string("a"), uint64(1)})}));
  Reader reader(variant.bytes());
  EXPECT_EQ(reader.signature(), "a(st)");
  EXPECT_EQ(reader.u32(), 16U);  // from the structure's begin at 16 to the end of its number
  reader.align(8);
  EXPECT_EQ(reader.position(), 16U);
  EXPECT_EQ(reader.text(), "a");
  EXPECT_EQ(variant.bytes().size(), 32U);
}

TEST(DbusReader, ReadingPastTheEndIsBad) {
  Writer writer;
  writer.text("hello");
  Reader good(writer.bytes());
  EXPECT_EQ(good.text(), "hello");
  EXPECT_TRUE(good.good());
  for (std::size_t size = 0; size < writer.bytes().size(); ++size) {
    Reader cut(std::string_view(writer.bytes()).substr(0, size));
    (void)cut.text();
    EXPECT_FALSE(cut.good()) << size;
  }
  Reader lying("\xff\xff\xff\xff"sv);
  (void)lying.text();
  EXPECT_FALSE(lying.good());
}

TEST(DbusMessage, ACallReadsBack) {
  Writer body;
  body.text("corten-a.scope");
  const std::string bytes =
      marshal_call({"org.x", "/org/x", "org.x.Manager", "StopUnit", "s", body.bytes()}, 7);
  ASSERT_OK_AND_ASSIGN(const auto size, message_size(bytes));
  EXPECT_EQ(size, bytes.size());
  ASSERT_OK_AND_ASSIGN(const auto message, parse_message(bytes));
  EXPECT_EQ(message.type, Message::Type::Call);
  EXPECT_EQ(message.interface, "org.x.Manager");
  EXPECT_EQ(message.member, "StopUnit");
  EXPECT_EQ(Reader(message.body).text(), "corten-a.scope");
}

TEST(DbusMessage, DamagedOnesAreErrorsNotCrashes) {
  const std::string bytes = marshal_call({"org.x", "/org/x", "org.x.Manager", "Get", "", ""}, 1);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char value : {'\0', '\xff', '\x7f'}) {
      std::string damaged = bytes;
      damaged[at] = value;
      (void)parse_message(damaged);
    }
    EXPECT_FALSE(parse_message(std::string_view(bytes).substr(0, at)));
  }
}

// A peer that sends `answer` to whoever connects and then says nothing.
class Peer {
 public:
  explicit Peer(std::string answer) {
    char path[] = "/tmp/corten-dbus-XXXXXX";
    directory_ = ::mkdtemp(path);
    path_ = directory_ + "/s";
    auto listening = sys::unix_listen(AT_FDCWD, path_, SOCK_STREAM);
    EXPECT_TRUE(listening);
    listening_ = std::move(*listening);
    const auto child = sys::fork();
    EXPECT_TRUE(child);
    child_ = *child;
    if (child_ != 0) return;
    const auto peer = sys::accept(listening_.get());
    if (peer && !answer.empty()) (void)sys::send_message(peer->get(), answer, -1);
    for (;;) ::pause();
  }
  ~Peer() {
    (void)sys::kill(child_, SIGKILL);
    (void)sys::wait_child(child_);
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string directory_;
  std::string path_;
  sys::UniqueFd listening_;
  pid_t child_ = 0;
};

TEST(DbusConnection, ASilentPeerIsATimeout) {
  const Peer peer("");
  EXPECT_ERROR(Connection::open(peer.path(), Deadline(50)), ErrorKind::Timeout, "");
}

TEST(DbusConnection, ARefusalIsAnError) {
  const Peer peer("REJECTED EXTERNAL\r\n");
  const auto connection = Connection::open(peer.path(), Deadline(5000));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().errno_value(), EACCES);
}

TEST(DbusConnection, ACallWithoutAnAnswerIsATimeout) {
  const Peer peer("DATA\r\nOK 0123\r\n");
  ASSERT_OK_AND_ASSIGN(auto connection, Connection::open(peer.path(), Deadline(5000)));
  EXPECT_ERROR(connection.call({"a.b", "/a", "a.b", "C", "", ""}, Deadline(50), nullptr),
               ErrorKind::Timeout,
               "");
}

TEST(DbusConnection, GarbageIsAProtocolError) {
  const Peer peer("OK 0123\r\n" + std::string(64, '\xff'));
  ASSERT_OK_AND_ASSIGN(auto connection, Connection::open(peer.path(), Deadline(5000)));
  EXPECT_ERROR(connection.call({"a.b", "/a", "a.b", "C", "", ""}, Deadline(5000), nullptr),
               ErrorKind::Protocol,
               "");
}

}  // namespace
}  // namespace corten::cgroup::dbus
