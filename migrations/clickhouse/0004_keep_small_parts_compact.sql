-- A wide part has two or three files for each of the 50 columns, and an insert of some 10 MB made one: writing and
-- merging those files took a third of the sink's processor time. Below this size a part is one file of data.
ALTER TABLE deliveries MODIFY SETTING min_bytes_for_wide_part = 268435456
