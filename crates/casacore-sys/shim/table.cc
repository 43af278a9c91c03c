// Tables: open, create, close, lock, structure, keywords.
#include <memory>
#include <new>

#include <casacore/casa/OS/File.h>
#include <casacore/tables/DataMan/DataManager.h>
#include <casacore/tables/DataMan/TSMOption.h>
#include <casacore/tables/Tables/ArrColDesc.h>
#include <casacore/tables/Tables/ColumnDesc.h>
#include <casacore/tables/Tables/ScaColDesc.h>
#include <casacore/tables/Tables/SetupNewTab.h>
#include <casacore/tables/Tables/TableColumn.h>
#include <casacore/tables/Tables/TableDesc.h>
#include <casacore/tables/Tables/TableError.h>
#include <casacore/tables/Tables/TableInfo.h>
#include <casacore/tables/Tables/TableLock.h>

#include "internal.h"

using namespace casacore;

namespace {

using shim::fail;
using shim::guarded;
using shim::text;

TableLock lock_options(int32_t lock) {
    switch (lock) {
    case 0: return TableLock(TableLock::NoLocking);
    case 1: return TableLock(TableLock::AutoLocking);
    case 2: return TableLock(TableLock::AutoNoReadLocking);
    case 3: return TableLock(TableLock::UserLocking);
    case 4: return TableLock(TableLock::UserNoReadLocking);
    case 5: return TableLock(TableLock::PermanentLocking);
    case 6: return TableLock(TableLock::PermanentLockingWait);
    default: fail(CCT_ARGUMENT, "unknown lock mode");
    }
}

// Tiles through casacore's own cache: memory-mapped tiles would turn a truncated file into a signal, and an .aipsrc of
// the user shall not decide it.
TSMOption tile_option() { return TSMOption(TSMOption::Cache, 0, -1); }

// Tiles through a plain buffered file: a new one is extended by its last byte (BucketBuffered::doExtend), where the
// cache writes every tile of the rows that were added. That byte brings along what its buffer held, so the files are
// emptied after closing (crate casacore), and the handle refuses values of tiled columns (column.cc).
TSMOption hole_option() { return TSMOption(TSMOption::Buffer, 4096, -1); }

template <class T>
void add_scalar(TableDesc& desc, const Record& column) {
    ScalarColumnDesc<T> scalar(column.asString("name"), column.asString("comment"), "StandardStMan",
                               column.asString("group"), T(), column.asInt("options"));
    desc.addColumn(scalar);
}

template <class T>
void add_array(TableDesc& desc, const Record& column) {
    const String name = column.asString("name");
    const Int options = column.asInt("options");
    const Vector<Int64> lengths(column.asArrayInt64("shape"));
    if (column.asBool("fixed")) {
        IPosition shape(lengths.nelements());
        for (uInt i = 0; i < lengths.nelements(); i++) {
            shape[i] = lengths[i];
        }
        desc.addColumn(ArrayColumnDesc<T>(name, column.asString("comment"), "StandardStMan",
                                          column.asString("group"), shape, options | ColumnDesc::FixedShape));
    } else {
        desc.addColumn(ArrayColumnDesc<T>(name, column.asString("comment"), "StandardStMan",
                                          column.asString("group"), column.asInt("ndim"), options));
    }
}

template <class T>
void add_column(TableDesc& desc, const Record& column) {
    if (column.asBool("scalar")) {
        add_scalar<T>(desc, column);
    } else {
        add_array<T>(desc, column);
    }
}

TableDesc read_columns(const Record& columns) {
    TableDesc desc("", "", TableDesc::Scratch);
    for (uInt i = 0; i < columns.nfields(); i++) {
        const Record column = columns.subRecord(i);
        const String name = column.asString("name");
        if (desc.isColumn(name)) {
            fail(CCT_EXISTS, "column " + name + " is described twice");
        }
        switch (static_cast<DataType>(column.asInt("type"))) {
        case TpBool: add_column<Bool>(desc, column); break;
        case TpUChar: add_column<uChar>(desc, column); break;
        case TpShort: add_column<Short>(desc, column); break;
        case TpUShort: add_column<uShort>(desc, column); break;
        case TpInt: add_column<Int>(desc, column); break;
        case TpUInt: add_column<uInt>(desc, column); break;
        case TpInt64: add_column<Int64>(desc, column); break;
        case TpFloat: add_column<Float>(desc, column); break;
        case TpDouble: add_column<Double>(desc, column); break;
        case TpComplex: add_column<Complex>(desc, column); break;
        case TpDComplex: add_column<DComplex>(desc, column); break;
        case TpString: add_column<String>(desc, column); break;
        default: fail(CCT_TYPE, "column " + name + " has a type that casacore cannot store");
        }
        const Int longest = column.asInt("max_length");
        if (longest > 0) {
            desc.rwColumnDesc(name).setMaxLength(longest);
        }
    }
    return desc;
}

struct Layout {
    TableDesc desc;
    TableRecord keywords;
    TableRecord column_keywords;
    Record managers;
};

Layout read_layout(const uint8_t* bytes, size_t length) {
    shim::Reader in(bytes, length);
    TableRecord whole = shim::read_table_record(in);
    return Layout{read_columns(whole.subRecord("columns").toRecord()), whole.subRecord("keywords"),
                  whole.subRecord("column_keywords"), whole.subRecord("managers").toRecord()};
}

void put_column_keywords(Table& table, const TableRecord& keywords) {
    for (uInt i = 0; i < keywords.nfields(); i++) {
        TableColumn column(table, keywords.name(i));
        column.rwKeywordSet().merge(keywords.subRecord(i), RecordInterface::OverwriteDuplicates);
    }
}

void need_column(const Table& table, const String& name) {
    if (!table.tableDesc().isColumn(name)) {
        fail(CCT_NO_COLUMN, "no column " + name);
    }
}

void need_writable(const Table& table) {
    if (!table.isWritable()) {
        fail(CCT_READ_ONLY, "the table is opened for reading only");
    }
}

Record describe_column(const Table& table, const ColumnDesc& desc) {
    Record out;
    out.define("name", desc.name());
    out.define("type", Int(desc.dataType()));
    out.define("scalar", desc.isScalar());
    out.define("options", Int(desc.options()));
    out.define("fixed", Bool((desc.options() & ColumnDesc::FixedShape) != 0));
    out.define("ndim", Int(desc.ndim()));
    IPosition fixed;
    if (desc.isArray()) {
        fixed = desc.shape();
        // Where the description leaves the shape open, it was given when the table was made.
        if (fixed.nelements() == 0 && desc.isFixedShape()) {
            fixed = TableColumn(table, desc.name()).shapeColumn();
        }
    }
    Vector<Int64> shape(fixed.nelements());
    for (uInt i = 0; i < shape.nelements(); i++) {
        shape[i] = fixed[i];
    }
    out.define("shape", shape);
    out.define("comment", desc.comment());
    out.define("max_length", Int(desc.maxLength()));
    out.define("writable", table.isColumnWritable(desc.name()));
    out.define("stored", table.isColumnStored(desc.name()));
    return out;
}

cct_buffer* record_buffer(const RecordInterface& record) {
    std::unique_ptr<cct_buffer> buffer(new cct_buffer);
    shim::Writer writer(buffer->bytes);
    shim::write_record(writer, record);
    return buffer.release();
}

// The keywords of the table or of one column, to change.
TableRecord& keywords_to_change(cct_table* table, const char* column, size_t column_len) {
    need_writable(table->table);
    if (column_len == 0) {
        return table->table.rwKeywordSet();
    }
    const String name = text(column, column_len);
    need_column(table->table, name);
    // The record belongs to the table; the TableColumn is only the way to it.
    return TableColumn(table->table, name).rwKeywordSet();
}

}  // namespace

cct_error* cct_table_open(const char* path, size_t path_len, int32_t writable, int32_t holes, int32_t lock,
                          cct_table** out) {
    return guarded([&] {
        const String name = text(path, path_len);
        std::unique_ptr<cct_table> table(new cct_table);
        table->table = Table(name, lock_options(lock), writable ? Table::Update : Table::Old,
                             holes ? hole_option() : tile_option());
        table->holes = holes != 0;
        *out = table.release();
    });
}

cct_error* cct_table_create(const char* path, size_t path_len, const uint8_t* layout, size_t layout_len,
                            uint64_t rows, int32_t little_endian, int32_t holes, int32_t lock, cct_table** out) {
    return guarded([&] {
        const String name = text(path, path_len);
        if (File(name).exists()) {
            fail(CCT_EXISTS, name + " exists already");
        }
        Layout what = read_layout(layout, layout_len);
        SetupNewTable setup(name, what.desc, Table::NewNoReplace, StorageOption(StorageOption::SepFile));
        setup.bindCreate(what.managers);
        std::unique_ptr<cct_table> table(new cct_table);
        table->table = Table(setup, Table::Plain, lock_options(lock), rows, False,
                             little_endian ? Table::LittleEndian : Table::BigEndian,
                             holes ? hole_option() : tile_option());
        table->table.rwKeywordSet().merge(what.keywords, RecordInterface::OverwriteDuplicates);
        table->table.rwKeywordSet().closeTables();
        put_column_keywords(table->table, what.column_keywords);
        table->holes = holes != 0;
        *out = table.release();
    });
}

cct_error* cct_table_close(cct_table* table) {
    cct_error* error = guarded([&] {
        if (!table->table.isNull()) {
            if (table->table.isWritable()) {
                table->table.flush();
            }
            table->table.closeSubTables();
        }
    });
    if (error != nullptr) {
        cct_table_abandon(table);
        return error;
    }
    return guarded([&] { delete table; });
}

void cct_table_abandon(cct_table* table) {
    // One reference is leaked on purpose, so that no destructor of casacore tries the failed write again.
    (void)table;
}

cct_error* cct_table_flush(cct_table* table, int32_t fsync) {
    return guarded([&] { table->table.flush(fsync != 0, False); });
}

cct_error* cct_table_lock(cct_table* table, int32_t write, int32_t* locked) {
    return guarded([&] {
        *locked = table->table.lock(write ? FileLocker::Write : FileLocker::Read, 1) ? 1 : 0;
    });
}

cct_error* cct_table_unlock(cct_table* table) {
    return guarded([&] { table->table.unlock(); });
}

cct_error* cct_table_has_lock(cct_table* table, int32_t write, int32_t* locked) {
    return guarded([&] {
        *locked = table->table.hasLock(write ? FileLocker::Write : FileLocker::Read) ? 1 : 0;
    });
}

cct_error* cct_table_resync(cct_table* table) {
    return guarded([&] {
        table->managers_known = false;
        table->table.resync();
    });
}

cct_error* cct_table_rows(cct_table* table, uint64_t* rows) {
    return guarded([&] { *rows = table->table.nrow(); });
}

cct_error* cct_table_add_rows(cct_table* table, uint64_t count) {
    return guarded([&] {
        need_writable(table->table);
        if (count != 0) {
            table->table.addRow(count);
        }
    });
}

cct_error* cct_table_remove_rows(cct_table* table, const uint64_t* rows, size_t count) {
    return guarded([&] {
        need_writable(table->table);
        const uint64_t total = table->table.nrow();
        Vector<rownr_t> numbers(count);
        for (size_t i = 0; i < count; i++) {
            if (rows[i] >= total) {
                fail(CCT_ROW_RANGE, "no such row", rows[i]);
            }
            numbers[i] = rows[i];
        }
        if (count != 0) {
            table->table.removeRow(RowNumbers(numbers));
        }
    });
}

cct_error* cct_table_add_columns(cct_table* table, const uint8_t* layout, size_t layout_len) {
    return guarded([&] {
        need_writable(table->table);
        Layout what = read_layout(layout, layout_len);
        for (uInt i = 0; i < what.desc.ncolumn(); i++) {
            if (table->table.tableDesc().isColumn(what.desc[i].name())) {
                fail(CCT_EXISTS, "column " + what.desc[i].name() + " exists already");
            }
        }
        table->managers_known = false;
        table->table.addColumn(what.desc, what.managers);
        put_column_keywords(table->table, what.column_keywords);
    });
}

cct_error* cct_table_remove_column(cct_table* table, const char* name, size_t name_len) {
    return guarded([&] {
        need_writable(table->table);
        const String column = text(name, name_len);
        need_column(table->table, column);
        table->managers_known = false;
        table->table.removeColumn(column);
    });
}

cct_error* cct_table_describe(cct_table* table, cct_buffer** out) {
    return guarded([&] {
        const Table& t = table->table;
        Record all;
        all.define("rows", Int64(t.nrow()));
        all.define("writable", t.isWritable());
        all.define("little_endian", t.endianFormat() == Table::LittleEndian);
        all.define("root", t.isRootTable());
        all.define("type", t.tableInfo().type());
        all.define("subtype", t.tableInfo().subType());
        all.define("readme", t.tableInfo().readme());
        Record columns;
        const TableDesc& desc = t.tableDesc();
        for (uInt i = 0; i < desc.ncolumn(); i++) {
            columns.defineRecord(String::toString(i), describe_column(t, desc[i]));
        }
        all.defineRecord("columns", columns);
        all.defineRecord("managers", t.dataManagerInfo());
        *out = record_buffer(all);
    });
}

cct_error* cct_column_describe(cct_table* table, const char* column, size_t column_len, cct_buffer** out) {
    return guarded([&] {
        const String name = text(column, column_len);
        need_column(table->table, name);
        *out = record_buffer(describe_column(table->table, table->table.tableDesc().columnDesc(name)));
    });
}

cct_error* cct_table_put_info(cct_table* table, const char* type, size_t type_len, const char* subtype,
                              size_t subtype_len, const char* readme, size_t readme_len) {
    return guarded([&] {
        need_writable(table->table);
        TableInfo& info = table->table.tableInfo();
        info.setType(text(type, type_len));
        info.setSubType(text(subtype, subtype_len));
        info.readmeClear();
        // casacore ends each line itself, the last one too.
        const bool ended = readme_len != 0 && readme[readme_len - 1] == '\n';
        if (readme_len != 0) {
            info.readmeAddLine(text(readme, ended ? readme_len - 1 : readme_len));
        }
        table->table.flushTableInfo();
    });
}

cct_error* cct_keywords_get(cct_table* table, const char* column, size_t column_len, cct_buffer** out) {
    return guarded([&] {
        if (column_len == 0) {
            *out = record_buffer(table->table.keywordSet());
        } else {
            const String name = text(column, column_len);
            need_column(table->table, name);
            *out = record_buffer(TableColumn(table->table, name).keywordSet());
        }
    });
}

cct_error* cct_keyword_put(cct_table* table, const char* column, size_t column_len, const uint8_t* record,
                           size_t record_len) {
    return guarded([&] {
        shim::Reader in(record, record_len);
        const TableRecord fields = shim::read_table_record(in);
        TableRecord& keywords = keywords_to_change(table, column, column_len);
        keywords.merge(fields, RecordInterface::OverwriteDuplicates);
        keywords.closeTables();
    });
}

cct_error* cct_keyword_remove(cct_table* table, const char* column, size_t column_len, const char* name,
                              size_t name_len) {
    return guarded([&] {
        TableRecord& keywords = keywords_to_change(table, column, column_len);
        const String key = text(name, name_len);
        if (!keywords.isDefined(key)) {
            fail(CCT_NO_KEYWORD, "no keyword " + key);
        }
        keywords.removeField(key);
    });
}
