// Records as bytes.
//
//     record := u32 fields, then per field: string name, i32 type, value
//     string := u32 length, bytes
//     type   := casacore's DataType number
//     value  := the number itself (bool: one byte) | string | record | string (a table: its path)
//               | array: u32 axes, u64 per axis (first axis fastest), the elements
//
// Numbers are in the machine's byte order: the bytes never leave the process.
#include <cstring>

#include <casacore/casa/Arrays/Array.h>
#include <casacore/tables/Tables/TableAttr.h>
#include <casacore/tables/Tables/TableLock.h>

#include "internal.h"

using namespace casacore;

namespace shim {

void Reader::raw(void* data, size_t length) {
    if (length > left_) {
        fail(CCT_ARGUMENT, "a record passed to casacore-sys ends early");
    }
    if (length != 0) {
        std::memcpy(data, at_, length);
    }
    at_ += length;
    left_ -= length;
}

String Reader::get_string() {
    const uint32_t length = get<uint32_t>();
    if (length > left_) {
        fail(CCT_ARGUMENT, "a string passed to casacore-sys ends early");
    }
    String value = text(reinterpret_cast<const char*>(at_), length);
    at_ += length;
    left_ -= length;
    return value;
}

namespace {

template <class T>
void write_array(Writer& out, const Array<T>& array) {
    out.put(static_cast<uint32_t>(array.ndim()));
    for (uInt axis = 0; axis < array.ndim(); axis++) {
        out.put(static_cast<uint64_t>(array.shape()[axis]));
    }
    Bool copied;
    const T* data = array.getStorage(copied);
    out.raw(data, array.nelements() * sizeof(T));
    array.freeStorage(data, copied);
}

template <>
void write_array<String>(Writer& out, const Array<String>& array) {
    out.put(static_cast<uint32_t>(array.ndim()));
    for (uInt axis = 0; axis < array.ndim(); axis++) {
        out.put(static_cast<uint64_t>(array.shape()[axis]));
    }
    for (auto it = array.begin(); it != array.end(); ++it) {
        out.put_string(*it);
    }
}

IPosition read_shape(Reader& in, size_t least_bytes) {
    const uint32_t axes = in.get<uint32_t>();
    if (axes > 64) {
        fail(CCT_ARGUMENT, "an array passed to casacore-sys has more than 64 axes");
    }
    IPosition shape(axes);
    uint64_t elements = 1;
    for (uint32_t axis = 0; axis < axes; axis++) {
        const uint64_t length = in.get<uint64_t>();
        if (length != 0 && elements > in.left() / length) {
            fail(CCT_ARGUMENT, "an array passed to casacore-sys ends early");
        }
        elements *= length;
        shape[axis] = static_cast<ssize_t>(length);
    }
    if (elements > in.left() / least_bytes) {
        fail(CCT_ARGUMENT, "an array passed to casacore-sys ends early");
    }
    return shape;
}

template <class T>
Array<T> read_array(Reader& in) {
    Array<T> array(read_shape(in, sizeof(T)));
    in.raw(array.data(), array.nelements() * sizeof(T));
    return array;
}

template <>
Array<String> read_array<String>(Reader& in) {
    Array<String> array(read_shape(in, sizeof(uint32_t)));
    for (auto it = array.begin(); it != array.end(); ++it) {
        *it = in.get_string();
    }
    return array;
}

// What differs between a Record and a TableRecord.
Record nested(Reader& in, const Record&) { return read_record(in); }
TableRecord nested(Reader& in, const TableRecord&) { return read_table_record(in); }
void define_table(Record&, const String&, const String&) {
    fail(CCT_ARGUMENT, "a record without tables was given a table");
}
void define_table(TableRecord& record, const String& name, const String& path) {
    // The table is opened to be named and closed at once: a handle kept inside the record would be used without our lock.
    record.defineTable(name, Table(path, TableLock(TableLock::NoLocking), Table::Old));
    record.closeTable(name);
}

template <class R>
R read_any(Reader& in) {
    R record;
    const uint32_t fields = in.get<uint32_t>();
    for (uint32_t i = 0; i < fields; i++) {
        const String name = in.get_string();
        switch (static_cast<DataType>(in.get<int32_t>())) {
        case TpBool: record.define(name, Bool(in.get<uint8_t>() != 0)); break;
        case TpUChar: record.define(name, in.get<uChar>()); break;
        case TpShort: record.define(name, in.get<Short>()); break;
        case TpInt: record.define(name, in.get<Int>()); break;
        case TpUInt: record.define(name, in.get<uInt>()); break;
        case TpInt64: record.define(name, in.get<Int64>()); break;
        case TpFloat: record.define(name, in.get<Float>()); break;
        case TpDouble: record.define(name, in.get<Double>()); break;
        case TpComplex: record.define(name, in.get<Complex>()); break;
        case TpDComplex: record.define(name, in.get<DComplex>()); break;
        case TpString: record.define(name, in.get_string()); break;
        case TpArrayBool: record.define(name, read_array<Bool>(in)); break;
        case TpArrayUChar: record.define(name, read_array<uChar>(in)); break;
        case TpArrayShort: record.define(name, read_array<Short>(in)); break;
        case TpArrayInt: record.define(name, read_array<Int>(in)); break;
        case TpArrayUInt: record.define(name, read_array<uInt>(in)); break;
        case TpArrayInt64: record.define(name, read_array<Int64>(in)); break;
        case TpArrayFloat: record.define(name, read_array<Float>(in)); break;
        case TpArrayDouble: record.define(name, read_array<Double>(in)); break;
        case TpArrayComplex: record.define(name, read_array<Complex>(in)); break;
        case TpArrayDComplex: record.define(name, read_array<DComplex>(in)); break;
        case TpArrayString: record.define(name, read_array<String>(in)); break;
        case TpRecord: record.defineRecord(name, nested(in, record)); break;
        case TpTable: define_table(record, name, in.get_string()); break;
        default: fail(CCT_TYPE, "keyword " + name + " has a type that a casacore record cannot hold");
        }
    }
    return record;
}

}  // namespace

Record read_record(Reader& in) { return read_any<Record>(in); }
TableRecord read_table_record(Reader& in) { return read_any<TableRecord>(in); }

void write_record(Writer& out, const RecordInterface& record) {
    out.put(static_cast<uint32_t>(record.nfields()));
    for (uInt i = 0; i < record.nfields(); i++) {
        const DataType type = record.type(i);
        out.put_string(record.name(i));
        out.put(static_cast<int32_t>(type));
        switch (type) {
        case TpBool: out.put(static_cast<uint8_t>(record.asBool(i) ? 1 : 0)); break;
        case TpUChar: out.put(record.asuChar(i)); break;
        case TpShort: out.put(record.asShort(i)); break;
        case TpInt: out.put(record.asInt(i)); break;
        case TpUInt: out.put(record.asuInt(i)); break;
        case TpInt64: out.put(record.asInt64(i)); break;
        case TpFloat: out.put(record.asFloat(i)); break;
        case TpDouble: out.put(record.asDouble(i)); break;
        case TpComplex: out.put(record.asComplex(i)); break;
        case TpDComplex: out.put(record.asDComplex(i)); break;
        case TpString: out.put_string(record.asString(i)); break;
        case TpArrayBool: write_array(out, record.asArrayBool(i)); break;
        case TpArrayUChar: write_array(out, record.asArrayuChar(i)); break;
        case TpArrayShort: write_array(out, record.asArrayShort(i)); break;
        case TpArrayInt: write_array(out, record.asArrayInt(i)); break;
        case TpArrayUInt: write_array(out, record.asArrayuInt(i)); break;
        case TpArrayInt64: write_array(out, record.asArrayInt64(i)); break;
        case TpArrayFloat: write_array(out, record.asArrayFloat(i)); break;
        case TpArrayDouble: write_array(out, record.asArrayDouble(i)); break;
        case TpArrayComplex: write_array(out, record.asArrayComplex(i)); break;
        case TpArrayDComplex: write_array(out, record.asArrayDComplex(i)); break;
        case TpArrayString: write_array(out, record.asArrayString(i)); break;
        case TpRecord: write_record(out, record.asRecord(i)); break;
        case TpTable: {
            // The name is read without opening the table.
            const TableRecord* tables = dynamic_cast<const TableRecord*>(&record);
            if (tables == nullptr) {
                fail(CCT_TYPE, "a table keyword in a record that cannot hold one");
            }
            out.put_string(tables->tableAttributes(i).name());
            break;
        }
        default: fail(CCT_TYPE, "keyword " + record.name(i) + " has a type that is not supported");
        }
    }
}

}  // namespace shim
