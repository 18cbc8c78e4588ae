// Whether two objects of one process call one copy of the library, or two that do not know each
// other's readers.
// SPDX-License-Identifier: Apache-2.0
#include "tests/ioasid/copies/copy.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <string_view>
#include <thread>

namespace {

using copies::Copy;
using namespace std::chrono_literals;

int failures = 0;

void check(bool right, const char* what, std::string_view more = "") {
  if (right) return;
  ++failures;
  std::fprintf(stderr, "wrong: %s%.*s\n", what, static_cast<int>(more.size()), more.data());
}

struct Object {
  void* handle = nullptr;  // nullptr: the program itself
  const Copy* copy = nullptr;
};

Object load(const std::string& path, int how) {
  if (path == "program") return {nullptr, ioasid_copy()};
  void* handle = dlopen(path.c_str(), RTLD_NOW | how);
  void* found = handle == nullptr ? nullptr : dlsym(handle, copies::symbol);
  if (found == nullptr) {
    std::fprintf(stderr, "cannot load %s: %s\n", path.c_str(), dlerror());
    std::exit(2);
  }
  return {handle, reinterpret_cast<const Copy* (*)()>(found)()};
}

// While one object holds a guard the other one knows of it in each way, or in none.
void check_guard(const Copy& holder, const Copy& other, bool one) {
  holder.hold();
  check(holder.sees_guard() && holder.refuses(), "who holds a guard does not know it");
  check(other.sees_guard() == one, one ? "a guard is not seen" : "a guard is seen");
  check(other.refuses() == one, one ? "a guard is ignored" : "a guard is respected");
  std::atomic<bool> freed{false};
  std::thread thread([&] {
    other.free_one();
    freed = true;
  });
  if (one) {
    std::this_thread::sleep_for(20ms);
    check(!freed, "free() does not wait for a guard");
    holder.let_go();
  }
  thread.join();
  if (!one) holder.let_go();
  check(!other.sees_guard() && !other.refuses(), "a guard that is gone is seen");
}

// The thread ends after the object is gone whose copy has given it a slot.
void check_unloading(const Object& object, [[maybe_unused]] const char* path) {
  std::atomic<bool> called{false};
  std::atomic<bool> unloaded{false};
  std::thread thread([&] {
    object.copy->free_one();
    called = true;
    called.notify_one();
    unloaded.wait(false);
  });
  called.wait(false);
  dlclose(object.handle);
#if defined(IOASID_UNLOADS)  // without optimisation g++ makes symbols that keep it loaded
  check(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == nullptr, "an object is not unloaded");
#endif
  unloaded = true;
  unloaded.notify_one();
  thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view expected = argc == 5 ? argv[1] : "";
  const std::string_view how = argc == 5 ? argv[2] : "";
  if ((expected != "one" && expected != "two") || (how != "local" && how != "global")) {
    std::fputs("usage: ioasid_copies one|two local|global program|OBJECT OBJECT\n", stderr);
    return 2;
  }
  const int flag = how == "local" ? RTLD_LOCAL : RTLD_GLOBAL;
  const Object a = load(argv[3], flag);
  const Object b = load(argv[4], flag);
  for (const Object& object : {a, b}) {
    const std::string_view wrong = object.copy->wrong();
    check(wrong.empty(), "", wrong);
  }
  check_guard(*a.copy, *b.copy, expected == "one");
  check_guard(*b.copy, *a.copy, expected == "one");
  check_unloading(b, argv[4]);
  check(a.copy->wrong().empty(), "what stays does not work after the other is gone");
  return failures == 0 ? 0 : 1;
}
