// The objects of an iommufd file, by the names that Linux gives them, and who uses whom.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/strong.hpp"
#include "models/cpu/locks.hpp"
#include "models/host/assigned_device.hpp"
#include "models/host/fault_queue.hpp"
#include "models/iommu/page_table.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "models/kernel/errno.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

namespace viosim::iommufd {

// 0 is no object.
using ObjectId = Strong<struct ObjectIdTag, std::uint32_t>;
inline constexpr ObjectId no_object{0};

// I/O addresses, and the frames behind them.
struct Ioas {
  struct Area {
    Bytes size;
    Hpa frames;
    Permissions allowed;
  };
  explicit Ioas(std::unique_ptr<Mutex> guard) : mutex(std::move(guard)) {}
  std::map<Iova, Area> areas;
  std::unique_ptr<Mutex> mutex;  // maps, unmaps, new tables of it
};

// Where a page table is attached. `pasid`: no_pasid for requests without one.
struct Place {
  ObjectId device;
  Pasid pasid;
  bool operator==(const Place&) const = default;
};

// A page table of hardware: what its kinds have in common. It works behind one IOMMU.
struct Hwpt {
  IommuDriver* driver = nullptr;
  vtd::PasidEntry entry;
  ObjectId fault;  // who is told of its page requests; none: nobody
  std::vector<Place> attached;
};

// The host's own, of an IOAS.
struct HwptPaging : Hwpt {
  ObjectId ioas;
  std::unique_ptr<PageTable> table;
  bool nest_parent = false;
};

// A guest's first level over such a one. It has a domain of its own, so that two of them that are
// attached to the same number of different devices are not confused.
struct HwptNested : Hwpt {
  ObjectId parent;  // HwptPaging
  bool width_known = true;
};

// What one machine has of one physical IOMMU.
struct Viommu {
  IommuDriver* driver = nullptr;
  ObjectId parent;                            // HwptPaging
  std::map<std::uint64_t, ObjectId> devices;  // by their ids in the guest
};

// A device as its guest knows it.
struct Vdevice {
  ObjectId viommu;
  ObjectId device;
  std::uint64_t virt_id = 0;
};

struct Fault {
  FaultQueue* queue = nullptr;
  bool open = true;  // its file
};

struct Device {
  struct Attachment {
    ObjectId hwpt;
    Pasid host;  // the number in the function's table
    bool leaving = false;
  };
  AssignedDevice is;
  std::unique_ptr<Mutex> mutex;  // attachments
  std::map<Pasid, Attachment> attachments;
  std::vector<PageRequest> incomplete;  // of groups whose last request has not come
  ObjectId vdevice;
};

struct Object {
  using Body = std::variant<Ioas, HwptPaging, HwptNested, Viommu, Vdevice, Fault, Device>;
  Object(Body is, std::vector<ObjectId> used) : body(std::move(is)), holds(std::move(used)) {}
  Body body;
  std::uint32_t users = 0;      // objects, files, attachments, and calls under way
  std::vector<ObjectId> holds;  // whose users this is one of
};

// All of a file. No time passes here.
class Objects {
 public:
  // `holds`: existing ones.
  ObjectId add(Object::Body body, std::vector<ObjectId> holds = {});
  // Null: there is none of this id and kind.
  template <class T>
  T* find(ObjectId id) {
    const auto found = objects_.find(id);
    return found == objects_.end() ? nullptr : std::get_if<T>(&found->second->body);
  }
  template <class T>
  const T* find(ObjectId id) const {
    const auto found = objects_.find(id);
    return found == objects_.end() ? nullptr : std::get_if<T>(&found->second->body);
  }
  // A page table of either kind.
  Hwpt* hwpt(ObjectId id);
  bool contains(ObjectId id) const { return objects_.contains(id); }
  void use(ObjectId id) { ++objects_.at(id)->users; }
  void unuse(ObjectId id);
  std::uint32_t users(ObjectId id) const { return objects_.at(id)->users; }
  // Nobody uses it; those that it held are used less.
  std::unique_ptr<Object> remove(ObjectId id);

  std::size_t size() const { return objects_.size(); }
  std::vector<ObjectId> unused() const;
  template <class T>
  std::vector<ObjectId> all() const {
    std::vector<ObjectId> ids;
    for (const auto& [id, object] : objects_)
      if (std::holds_alternative<T>(object->body)) ids.push_back(id);
    return ids;
  }

 private:
  std::map<ObjectId, std::unique_ptr<Object>> objects_;
  std::uint32_t last_ = 0;
};

// A call that stands on an object: it is in use meanwhile.
class Pin {
 public:
  Pin(Objects& objects, ObjectId id) : objects_(objects), id_(id) { objects.use(id); }
  ~Pin() { objects_.unuse(id_); }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

 private:
  Objects& objects_;
  ObjectId id_;
};

}  // namespace viosim::iommufd
