"""The management API (role `management`): what operators and the console read and change."""
