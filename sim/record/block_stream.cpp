// Workers take blocks in order, and put each into the place that its turn says.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/block_stream.hpp"

#include <algorithm>

namespace viosim {

unsigned BlockStream::usual_workers() {
  constexpr unsigned most = 3;
  return std::clamp(std::thread::hardware_concurrency(), 1U, most);
}

BlockStream::BlockStream(RunReader& reader, std::vector<std::size_t> numbers, unsigned workers)
    : reader_(reader), numbers_(std::move(numbers)) {
  const auto needed = std::min<std::size_t>(workers, numbers_.size());
  places_.resize(needed + 2);  // one that is being read, and one to go on with
  for (std::size_t i = 0; i < needed; ++i) workers_.emplace_back([this] { work(); });
}

BlockStream::~BlockStream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

const std::vector<TraceEvent>* BlockStream::next() {
  std::unique_lock lock(mutex_);
  released_ = given_;
  changed_.notify_all();
  if (given_ == numbers_.size()) return nullptr;
  Place& place = places_[given_ % places_.size()];
  changed_.wait(lock, [&] { return place.ready; });
  place.ready = false;
  ++given_;
  if (place.failure) std::rethrow_exception(place.failure);
  return &place.events;
}

// Takes the next block up and its bytes from the file; false when there is nothing left to do.
bool BlockStream::fetch(std::size_t& turn, std::vector<std::byte>& bytes,
                        std::exception_ptr& failure) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return stop_ || taken_ == numbers_.size() || taken_ < released_ + places_.size();
  });
  if (stop_ || taken_ == numbers_.size()) return false;
  turn = taken_++;
  lock.unlock();
  const std::lock_guard file(file_);
  try {
    reader_.fetch_block(numbers_[turn], bytes);
  } catch (...) {
    failure = std::current_exception();
  }
  return true;
}

void BlockStream::work() {
  BlockDecoder decoder;
  std::vector<std::byte> bytes;
  std::size_t turn = 0;
  for (std::exception_ptr failure; fetch(turn, bytes, failure); failure = nullptr) {
    Place& place = places_[turn % places_.size()];
    try {
      if (!failure) reader_.decode_block(numbers_[turn], bytes, decoder, place.events);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    place.failure = failure;
    place.ready = true;
    changed_.notify_all();
  }
}

}  // namespace viosim
